/** What an error of SQLite or of the file system means: for the operator at start-up, for an admin call at run time. */
import { AdminError, EXIT_STATUS, StartupError } from '../errors.ts';

/** Result codes of SQLite (https://www.sqlite.org/rescode.html); a primary code is the low byte of an extended one. */
const SQLITE = {
  readOnly: 8,
  busy: 5,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  constraint: 19,
  notADatabase: 26,
  constraintPrimaryKey: 1555,
  constraintUnique: 2067,
} as const;

interface SqliteError extends Error {
  readonly errcode: number;
}

function isSqliteError(error: unknown): error is SqliteError {
  return error instanceof Error && 'code' in error && error.code === 'ERR_SQLITE_ERROR' && 'errcode' in error;
}

const primaryCode = (error: unknown): number | null => (isSqliteError(error) ? error.errcode & 0xff : null);

export const isBusy = (error: unknown): boolean => primaryCode(error) === SQLITE.busy;
export const isPrimaryKeyTaken = (error: unknown): boolean =>
  isSqliteError(error) && error.errcode === SQLITE.constraintPrimaryKey;
export const isUniqueTaken = (error: unknown): boolean =>
  isSqliteError(error) && error.errcode === SQLITE.constraintUnique;

function isDamage(error: unknown): boolean {
  const code = primaryCode(error);
  return code === SQLITE.corrupt || code === SQLITE.notADatabase;
}

/** A failed read or write of SQLite as `storage_failed`; a violated constraint is a mistake of ours and stays what it is. */
export function asStorageError(error: unknown): unknown {
  const code = primaryCode(error);
  if (code === null || code === SQLITE.constraint) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new AdminError('storage_failed', `The database in the data directory cannot be used: ${why}.`, {
    cause: error,
  });
}

/** Why the data directory `dataDir` (or the database `file` in it) cannot be used, for the operator. */
export function asStartupError(error: unknown, dataDir: string, file: string): unknown {
  if (error instanceof StartupError || !(error instanceof Error)) return error;
  if (isDamage(error)) return damagedDatabase(file, error.message, error);
  if (primaryCode(error) === SQLITE.constraint) return error;
  const message = `The data directory ${dataDir} cannot be used: ${error.message}. Make it writable, or set another DATA_DIR.`;
  return new StartupError(message, EXIT_STATUS.cannotCreate, { cause: error });
}

export function damagedDatabase(file: string, why: string, cause?: unknown): StartupError {
  const remedy = 'Restore it from a backup, or move it away (with its -wal and -shm files) to begin with an empty one.';
  return new StartupError(`The database ${file} is damaged: ${why}. ${remedy}`, EXIT_STATUS.osError, { cause });
}
