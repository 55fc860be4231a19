import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ADMIN_ERRORS, PUBLIC_ERRORS, type ErrorEntry } from '../../src/errors.ts';
import { readSource, sourceFiles } from '../support/source-tree.ts';

const sources = sourceFiles(['src', 'workers'], ['.ts'])
  .filter(path => path !== 'src/errors.ts')
  .map(readSource)
  .join('\n');

for (const [table, errors] of Object.entries<Record<string, ErrorEntry>>({
  public: PUBLIC_ERRORS,
  admin: ADMIN_ERRORS,
})) {
  for (const [code, { status, sentence }] of Object.entries(errors)) {
    test(`the ${table} error ${code} is used, has an error status and a sentence`, () => {
      assert.ok(status >= 400 && status < 600);
      assert.match(sentence, /^[A-Z].*\.$/);
      assert.ok(sources.includes(`'${code}'`), `no code answers with ${code}`);
    });
  }
}
