import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';

/** Parts of a crate that do not go into its library. */
const NOT_COMPILED = new Set(['target', 'tests', 'benches', 'examples']);

/** SHA-256 over the names and contents of `paths` below `root`, files and whole folders, in hexadecimal. */
export async function sourceDigest(root: string, paths: readonly string[]): Promise<string> {
  const files = (await Promise.all(paths.map(path => filesBelow(join(root, path))))).flat().toSorted();
  const contents = await Promise.all(files.map(file => readFile(file)));
  const hash = createHash('sha256');
  for (const [index, content] of contents.entries()) {
    hash.update(`${relative(root, files[index] ?? '')}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex');
}

async function filesBelow(path: string): Promise<string[]> {
  if ((await stat(path)).isFile()) return [path];
  const names = (await readdir(path)).filter(name => !NOT_COMPILED.has(name));
  return (await Promise.all(names.map(name => filesBelow(join(path, name))))).flat();
}
