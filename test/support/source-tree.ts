/** The repository's own source files and what they import, read as text: what the tests on structure look at. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

export const ROOT = resolve(import.meta.dirname, '../..');

const SKIPPED = new Set(['node_modules', 'target', '.git', '.cache', 'data', 'results']);

/** Paths relative to the root of every file below `folders` that ends in one of `endings`. */
export function sourceFiles(folders: readonly string[], endings: readonly string[]): string[] {
  return folders
    .flatMap(folder => filesBelow(join(ROOT, folder)))
    .map(path => relative(ROOT, path))
    .filter(path => endings.some(ending => path.endsWith(ending)))
    .toSorted();
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    if (SKIPPED.has(entry.name)) return [];
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

export const readSource = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

export interface ImportEdge {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

const STATIC_IMPORT = /^(?:import|export)\s+(type\s)?[^;'"]*?from\s+'(\.[^']+)'/gm;
const BARE_IMPORT = /^import\s+'(\.[^']+)'/gm;
const DYNAMIC_IMPORT = /\bimport\('(\.[^']+)'\)/g;
const FILE_URL = /new URL\('(\.[^']+\.ts)',\s*import\.meta\.url\)/g;

/** Every relative import of a file, also dynamic ones and files named for a worker or a child process. */
export function importsOf(path: string): ImportEdge[] {
  const text = readSource(path);
  const edge = (target: string, typeOnly: boolean): ImportEdge => ({
    from: path,
    to: relative(ROOT, resolve(ROOT, dirname(path), target)),
    typeOnly,
  });
  return [
    ...[...text.matchAll(STATIC_IMPORT)].map(match => edge(match[2] ?? '', match[1] !== undefined)),
    ...[BARE_IMPORT, DYNAMIC_IMPORT, FILE_URL].flatMap(pattern =>
      [...text.matchAll(pattern)].map(match => edge(match[1] ?? '', false)),
    ),
  ];
}
