/** The data directory: private to its user, and used by one instance of the program at a time. */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { EXIT_STATUS, StartupError } from '../errors.ts';
import { asStartupError, isBusy } from './storage-error.ts';

/** A data directory this process holds; `release` gives it back, and so does any end of the process. */
export interface DataDirectoryLock {
  release(): void;
}

/** Locks in force. A database that nobody refers to is closed by the garbage collector, and its lock with it. */
const held = new Set<DatabaseSync>();

export function createDataDirectory(dataDir: string): void {
  try {
    createWithParents(dataDir);
  } catch (error) {
    throw asStartupError(error, dataDir, dataDir);
  }
}

/** Node's own recursive `mkdir` never returns for a path such as /proc/data, whose parent exists and takes no entries. */
function createWithParents(path: string): void {
  if (existsSync(path) && statSync(path).isDirectory()) return;
  if (!existsSync(dirname(path))) createWithParents(dirname(path));
  mkdirSync(path, { mode: 0o700 });
}

/**
 * Takes the data directory for this process, creating it when it is missing.
 *
 * The lock is SQLite's exclusive one on an empty database, because the kernel drops it however the process ends and Node
 * has no other file lock. Child processes do not inherit it.
 * @throws StartupError when another instance has it, or when it cannot be written
 */
export function lockDataDirectory(dataDir: string): DataDirectoryLock {
  createDataDirectory(dataDir);
  const file = join(dataDir, 'lock.db');
  try {
    const database = new DatabaseSync(file, { timeout: 0 });
    // Without a journal file: there is never anything to roll back.
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    held.add(database);
    return { release: () => held.delete(database) && database.close() };
  } catch (error) {
    if (!isBusy(error)) throw asStartupError(error, dataDir, file);
    const message = `Another instance is using the data directory ${dataDir}. Stop it, or set another DATA_DIR.`;
    throw new StartupError(message, EXIT_STATUS.temporaryFailure, { cause: error });
  }
}
