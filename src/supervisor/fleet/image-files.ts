import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** Removes the private copies of libraries that a process which was killed has left behind. Never rejects. */
export async function removeImagesOf(pid: number, imagesDir: string): Promise<void> {
  // As workers/image-file.ts names them.
  const isItsOwn = (name: string): boolean => name.startsWith('libhandler_') && name.includes(`.${pid}-`);
  try {
    const names = (await readdir(imagesDir)).filter(isItsOwn);
    await Promise.all(names.map(async name => rm(join(imagesDir, name), { force: true })));
  } catch {
    // The folder is gone, or the disk fails: the next start of the program empties it.
  }
}
