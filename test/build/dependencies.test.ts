import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dependencyProblem } from '../../src/build/dependencies.ts';

for (const name of ['regex', 'serde', 'serde_json', 'tokio-util', 'A', 'x'.repeat(64)]) {
  test(`a crate may be called ${name}`, () => {
    assert.equal(dependencyProblem(name, '1'), null);
  });
}

for (const name of [
  '',
  '../x',
  'a/b',
  'a.b',
  'a b',
  '1a',
  '_a',
  '-a',
  '__proto__',
  'évil',
  'x'.repeat(65),
  'evil"\n[build-dependencies]',
  'evil = { path = "/" }',
  'serde\0',
]) {
  test(`a crate cannot be called ${JSON.stringify(name)}`, () => {
    assert.match(dependencyProblem(name, '1') ?? '', /is not the name of a crate/);
  });
}

for (const name of ['rust-edge-gateway-sdk', 'rust_edge_gateway_sdk', 'Rust-Edge-Gateway-SDK']) {
  test(`the SDK cannot be named as a dependency, not as ${name} either`, () => {
    assert.match(dependencyProblem(name, '1') ?? '', /every handler has it/);
  });
}

test('one of our own crates in another spelling is refused, since rustc would see it twice', () => {
  assert.equal(dependencyProblem('serde-json', '1'), 'is spelled serde_json');
});

for (const version of [
  '1',
  '0.4',
  '1.2.3',
  '^1.2',
  '~1.2.3',
  '=1.0.0',
  '>=1.2, <1.5',
  '1.*',
  '1.2.*',
  '1.0.0-beta.1',
  '2.0.0+build',
]) {
  test(`a version may be ${version}`, () => {
    assert.equal(dependencyProblem('regex', version), null);
    assert.equal(dependencyProblem('regex', { version }), null);
  });
}

for (const version of [
  '',
  '*',
  'latest',
  '1.',
  '01',
  '1.2.3.4',
  'v1',
  '1,',
  '1"',
  '1"\n[build-dependencies]',
  '../x',
  '>= ',
  '1 || 2',
  `1, ${'1, '.repeat(40)}1`,
]) {
  test(`a version cannot be ${JSON.stringify(version.slice(0, 30))}`, () => {
    assert.match(dependencyProblem('regex', version) ?? '', /needs a version requirement/);
    assert.match(dependencyProblem('regex', { version }) ?? '', /needs a version requirement/);
  });
}

test('features are names, and not too many', () => {
  const withFeatures = (features: readonly string[]) => dependencyProblem('regex', { version: '1', features });
  assert.equal(withFeatures(['std', 'unicode-perl', 'c++20', 'rt_multi', '2d']), null);
  for (const feature of ['', 'a/b', 'dep:x', 'a"b', '"]\n[x', 'a b']) {
    assert.match(withFeatures([feature]) ?? '', /cannot be one/);
  }
  assert.match(withFeatures(Array.from({ length: 65 }, (_, index) => `f${index}`)) ?? '', /more than 64/);
});
