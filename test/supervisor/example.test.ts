import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import pino from 'pino';
import { AdminError } from '../../src/errors.ts';
import { deployExample } from '../../src/supervisor/example.ts';
import { ControlPlane } from '../support/control-plane.ts';

const FILE = pathToFileURL('handlers/hello.rs');

/** Runs it and gives the log lines. */
async function deploy(plane: ControlPlane): Promise<Record<string, unknown>[]> {
  const lines: Record<string, unknown>[] = [];
  const write = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)) as Record<string, unknown>);
      done();
    },
  });
  const { lifecycle } = plane;
  await deployExample({ lifecycle, log: pino(write), file: FILE, id: 'hello' });
  return lines;
}

test('the shipped example is deployed at the route its first line names', async () => {
  await using plane = await ControlPlane.open();
  const lines = await deploy(plane);
  const endpoint = plane.store.endpoint('hello');
  assert.deepEqual([endpoint?.state, endpoint?.method, endpoint?.path], ['loaded', 'GET', '/hello']);
  assert.deepEqual(
    lines.map(({ event }) => event),
    ['example', 'example_ready'],
  );
});

test('without cargo a warning says how to get it', async () => {
  await using plane = await ControlPlane.open();
  plane.compiler.beforeCompile = async () => Promise.reject(new AdminError('toolchain_missing'));
  const [, warning] = await deploy(plane);
  assert.equal(warning?.['event'], 'example_failed');
  assert.match(String(warning?.['hint']), /rustup/);
});
