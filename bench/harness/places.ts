/** Where the bench keeps what it builds and installs: below `.cache`, which git ignores and anyone may delete. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../test/support/source-tree.ts';

export const BENCH = join(ROOT, 'bench');
export const CACHE = join(ROOT, '.cache', 'bench');
/** cargo's target directory for the Rust programs of the bench. */
export const TARGET = join(CACHE, 'target');
export const RESULTS = join(BENCH, 'results');

export function cacheFolder(...names: readonly string[]): string {
  const folder = join(CACHE, ...names);
  mkdirSync(folder, { recursive: true });
  return folder;
}
