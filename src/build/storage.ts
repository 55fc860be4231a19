/** Files the build side writes, with failures of the disk told apart from mistakes of ours. */
import { randomBytes } from 'node:crypto';
import { access, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AdminError } from '../errors.ts';

const DISK_ERRORS = new Set(['ENOENT', 'ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM', 'EIO']);

const errorCode = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined);

export const isMissing = (error: unknown): boolean => errorCode(error) === 'ENOENT';

/** Runs `work`; a disk that is full, read-only or broken becomes `storage_failed`. */
export async function onDisk<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Error) || !DISK_ERRORS.has(String(errorCode(error)))) throw error;
    throw new AdminError('storage_failed', `A file cannot be read or written: ${error.message}.`, { cause: error });
  }
}

/** The file's text, or null when there is none. */
export async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

/**
 * Creates a folder and those above it, unless they are there. Node's own recursive `mkdir` never returns for a path such
 * as /proc/data, whose parent exists and takes no entries.
 */
export async function createFolder(path: string, mode = 0o777): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return;
    if (!isMissing(error) || (await exists(dirname(path)))) throw error;
    await createFolder(dirname(path), mode);
    await createFolder(path, mode);
  }
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** Writes a file whole or not at all: to a temporary name, through to the disk, then renamed. */
export async function writeAtomically(path: string, content: Uint8Array | string, mode: number): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const file = await open(temporary, 'wx', mode);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** A rename survives a power cut only when its directory is on the disk too. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Writes a file only when its content differs: cargo rebuilds what has a new modification time. */
export async function writeIfChanged(path: string, content: string, mode = 0o644): Promise<void> {
  if ((await readIfThere(path)) === content) return;
  await createFolder(dirname(path));
  await writeAtomically(path, content, mode);
}
