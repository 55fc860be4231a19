import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { chmodSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT_STATUS, StartupError } from '../errors.ts';

const KEY_BYTES = 32;
/** For the user alone. */
const KEY_MODE = 0o600;

function readKeyFile(file: string): string | null {
  try {
    const key = readFileSync(file, 'utf8').trim();
    chmodSync(file, KEY_MODE);
    return key === '' ? null : key;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function writeKeyFile(file: string, key: string): void {
  const unfinished = `${file}.new`;
  writeFileSync(unfinished, `${key}\n`, { mode: KEY_MODE });
  renameSync(unfinished, file);
}

/**
 * The admin key kept in `DATA_DIR/admin.key`; the first start generates it.
 * @throws StartupError when the file cannot be read or written
 */
export function keptKey(dataDir: string): string {
  const file = join(dataDir, 'admin.key');
  try {
    const kept = readKeyFile(file);
    if (kept !== null) return kept;
    const key = randomBytes(KEY_BYTES).toString('base64url');
    writeKeyFile(file, key);
    return key;
  } catch (error) {
    const { message } = error as Error;
    throw new StartupError(`The admin key cannot be kept in ${file}: ${message}.`, EXIT_STATUS.cannotCreate, {
      cause: error,
    });
  }
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Compares an `Authorization` header with the key; hashing both first makes the time the same for every wrong one. */
export function keyMatcher(key: string): (authorization: string | undefined) => boolean {
  const expected = digest(key);
  return authorization => {
    const sent = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
    return timingSafeEqual(digest(sent ?? ''), expected) && sent !== undefined;
  };
}
