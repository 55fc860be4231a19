import assert from 'node:assert/strict';
import { test } from 'node:test';
import pino from 'pino';
import { gatewayEnvironment } from '../../src/supervisor/fleet/gateway-process.ts';
import { requirePlatform } from '../../src/supervisor/platform.ts';
import { Shutdown } from '../../src/supervisor/shutdown.ts';

function scripted(): { shutdown: Shutdown; exits: number[]; clock: { now: number }; exited: Promise<number> } {
  const exits: number[] = [];
  const clock = { now: 1_000 };
  const { promise: exited, resolve } = Promise.withResolvers<number>();
  const exit = (status: number): void => {
    exits.push(status);
    resolve(status);
  };
  const shutdown = new Shutdown({ log: pino({ level: 'silent' }), exit, now: () => clock.now });
  return { shutdown, exits, clock, exited };
}

test('the first signal runs every step in order, also after one that fails, and ends with status 0', async () => {
  const { shutdown, exited } = scripted();
  const done: string[] = [];
  shutdown.add('one', () => void done.push('one'));
  shutdown.add('two', async () => {
    await Promise.reject(new Error('no'));
  });
  shutdown.add('three', () => void done.push('three'));
  shutdown.receive('SIGTERM');
  assert.equal(await exited, 0);
  assert.deepEqual(done, ['one', 'three']);
});

test('a second signal ends at once, but not one of the same keystroke', () => {
  const { shutdown, exits, clock } = scripted();
  shutdown.add('never', () => new Promise(() => {}));
  shutdown.receive('SIGINT');
  clock.now += 400;
  shutdown.receive('SIGINT');
  assert.deepEqual(exits, []);
  clock.now += 200;
  shutdown.receive('SIGINT');
  shutdown.receive('SIGTERM');
  assert.deepEqual(exits, [130, 143]);
});

test('gateway processes see variables meant for handlers, and none of ours or the host', () => {
  const environment = gatewayEnvironment({
    HANDLER_GREETING: 'hi',
    TZ: 'UTC',
    LANG: 'C',
    LC_ALL: 'C',
    PATH: '/bin',
    RUST_BACKTRACE: '1',
    NODE_OPTIONS: '--inspect',
    RUST_EDGE_GATEWAY_ADMIN_API_KEY: 'secret',
  });
  assert.deepEqual(Object.keys(environment).toSorted(), ['HANDLER_GREETING', 'LANG', 'LC_ALL', 'TZ']);
});

test('another platform is refused in one sentence that names it', () => {
  requirePlatform();
  assert.throws(() => requirePlatform('darwin', 'arm64'), /Linux x86_64 with glibc; this is darwin arm64/);
});
