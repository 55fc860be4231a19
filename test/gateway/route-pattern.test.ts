import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normalisePattern, parsePattern } from '../../src/protocol/route-pattern.ts';

test('a path pattern is read into segments, static ones decoded', () => {
  assert.deepEqual(parsePattern('/caf%C3%A9/{id}/{path...}'), {
    ok: true,
    segments: [
      { kind: 'static', text: 'café' },
      { kind: 'parameter', name: 'id' },
      { kind: 'rest', name: 'path' },
    ],
  });
  assert.deepEqual(parsePattern('/'), { ok: true, segments: [{ kind: 'static', text: '' }] });
});

const refused: Readonly<Record<string, RegExp>> = {
  '': /begins with/,
  users: /begins with/,
  '/a b': /has no " " in it/,
  '/a?b': /has no "\?"/,
  '/a#b': /has no "#"/,
  '/a\\b': /has no/,
  '/a\0b': /has no/,
  '/a//b': /may be empty/,
  '/a/../b': /no "\." or "\.\."/,
  '/%2e%2e': /no "\." or "\.\."/,
  '/a{id}': /whole segment/,
  '/{id}b': /whole segment/,
  '/{}': /parameter's name/,
  '/{1st}': /parameter's name/,
  '/{a-b}': /parameter's name/,
  '/{id}/{id}': /occurs twice/,
  '/{path...}/x': /nothing can follow/,
  '/%zz': /percent-encoded/,
  '/%ff': /percent-encoded/,
  '/%00': /NUL/,
  '/\ud800': /Unicode/,
  [`/${'a'.repeat(1_024)}`]: /at most 1024 characters/,
  [`/{${'a'.repeat(65)}}`]: /at most 64 characters/,
};

for (const [path, message] of Object.entries(refused)) {
  test(`the pattern ${JSON.stringify(path.slice(0, 20))} is refused, with the reason`, () => {
    const result = parsePattern(path);
    assert.equal(result.ok, false);
    if (!result.ok) assert.match(result.message, message);
  });
}

test('patterns that differ only in parameter names or in encoding have one normalised form', () => {
  assert.equal(normalisePattern('/users/{id}'), normalisePattern('/users/{name}'));
  assert.equal(normalisePattern('/café/{p...}'), normalisePattern('/caf%c3%a9/{q...}'));
  const different = ['/a/b', '/a%2Fb', '/a/{x}', '/a/{x...}', '/a', '/a/', '/A'];
  assert.equal(new Set(different.map(normalisePattern)).size, different.length);
});
