/** CONTAINMENT.md names everything the tests have handlers do wrong, and its proofs exist. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { DENIED, ENDLESS, FAULTS } from '../support/misdeeds.ts';
import { ROOT } from '../support/source-tree.ts';

const page = readFileSync(join(ROOT, 'CONTAINMENT.md'), 'utf8');

for (const op of [...FAULTS.map(({ op }) => op), ...ENDLESS.map(({ op }) => op), ...DENIED]) {
  test(`CONTAINMENT.md says what comes of ${op}`, () => assert.ok(page.includes(`\`${op}\``)));
}

test('every file that CONTAINMENT.md links to is there', () => {
  const links = [...page.matchAll(/\]\(([^)]+)\)/g)].map(([, path = '']) => path);
  assert.ok(links.length > 20);
  assert.deepEqual(
    links.filter(path => !existsSync(join(ROOT, path))),
    [],
  );
});
