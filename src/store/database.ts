/** Opens the database file, checks that it is ours and sound, and brings its schema up to date. */
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { EXIT_STATUS, StartupError } from '../errors.ts';
import { createDataDirectory } from './data-directory.ts';
import { migrate, MIGRATIONS, schemaVersion } from './migrations.ts';
import { asStartupError, damagedDatabase } from './storage-error.ts';

/** Most a write waits for another process that has the database open, such as a backup or a shell. */
const BUSY_TIMEOUT_MS = 5_000;

/**
 * Opens `DATA_DIR/gateway.db`, creating directory and file when they are missing.
 * @throws StartupError when it cannot be written, is damaged, is newer than this program, or is not its database
 */
export function openDatabase(dataDir: string): DatabaseSync {
  createDataDirectory(dataDir);
  const file = join(dataDir, 'gateway.db');
  let database: DatabaseSync | undefined;
  try {
    // SQLite would create it readable by all; the files it puts beside it take over this mode.
    closeSync(openSync(file, 'a', 0o600));
    database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS, enableForeignKeyConstraints: true });
    // NORMAL: a commit survives the end of the process at any moment; a power cut may lose the last ones.
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
    refuseUnusable(database, file);
    migrate(database);
    return database;
  } catch (error) {
    database?.close();
    throw asStartupError(error, dataDir, file);
  }
}

function refuseUnusable(database: DatabaseSync, file: string): void {
  const check = String(database.prepare('PRAGMA quick_check(1)').get()?.['quick_check']);
  if (check !== 'ok') throw damagedDatabase(file, check);
  const version = schemaVersion(database);
  if (version > MIGRATIONS.length) {
    const message = `The database ${file} has version ${version}, and this program knows versions up to ${MIGRATIONS.length}. Run the newer program that wrote it.`;
    throw new StartupError(message, EXIT_STATUS.config);
  }
  const foreign = version === 0 && database.prepare('SELECT name FROM sqlite_schema LIMIT 1').get() !== undefined;
  if (foreign) {
    throw new StartupError(`The file ${file} is a database of another program; move it away.`, EXIT_STATUS.config);
  }
}
