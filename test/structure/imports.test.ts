import assert from 'node:assert/strict';
import { test } from 'node:test';
import { importsOf, sourceFiles, type ImportEdge } from '../support/source-tree.ts';

/** Rooms of `src/`, lowest first; a room may import those of lower tiers, and of its own tier only types. */
const TIERS: readonly (readonly string[])[] = [
  ['protocol', 'errors.ts', 'config.ts'],
  ['store', 'build', 'lifecycle', 'pool', 'observe'],
  ['serving'],
  ['gateway', 'admin'],
  ['supervisor'],
  ['main.ts'],
];
/** Worker threads share with the rest what crosses the boundary, and nothing else. */
const WORKERS_MAY_IMPORT = ['src/protocol/', 'src/errors.ts', 'workers/'];

const files = sourceFiles(['src', 'workers'], ['.ts']);
const edges = files.flatMap(importsOf);

const roomOf = (path: string): string => path.split('/')[1] ?? '';
const tierOf = (path: string): number => TIERS.findIndex(rooms => rooms.includes(roomOf(path)));

function isAllowed({ from, to, typeOnly }: ImportEdge): boolean {
  if (from.startsWith('workers/')) return WORKERS_MAY_IMPORT.some(prefix => to.startsWith(prefix));
  // The pool names the file its threads run; it imports nothing of it.
  if (to.startsWith('workers/')) return from.startsWith('src/pool/');
  if (roomOf(from) === roomOf(to)) return true;
  const [tierFrom, tierTo] = [tierOf(from), tierOf(to)];
  return tierTo < tierFrom || (tierTo === tierFrom && (typeOnly || tierFrom === 0));
}

test('every file of src lies in a room with a tier', () => {
  const homeless = files.filter(path => path.startsWith('src/') && tierOf(path) === -1);
  assert.deepEqual(homeless, []);
});

test('imports follow the arrows of ARCHITECTURE.md', () => {
  assert.ok(edges.length > 50, 'the imports were read');
  const wrong = edges.filter(edge => !isAllowed(edge)).map(({ from, to }) => `${from} → ${to}`);
  assert.deepEqual(wrong, []);
});

test('no file imports itself through others', () => {
  const next = Map.groupBy(
    edges.filter(edge => !edge.typeOnly && edge.to.endsWith('.ts')),
    edge => edge.from,
  );
  const done = new Set<string>();
  const cycles: string[] = [];
  function walk(path: string, trail: readonly string[]): void {
    if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(' → '));
    if (done.has(path) || trail.includes(path)) return;
    for (const edge of next.get(path) ?? []) walk(edge.to, [...trail, path]);
    done.add(path);
  }
  for (const path of files) walk(path, []);
  assert.deepEqual(cycles, []);
});

test('no file is an orphan: each is imported by another or is an entry point', () => {
  const imported = new Set(edges.map(edge => edge.to));
  const orphans = files.filter(path => path !== 'src/main.ts' && !path.endsWith('.d.ts') && !imported.has(path));
  assert.deepEqual(orphans, []);
});
