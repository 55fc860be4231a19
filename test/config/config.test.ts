import assert from 'node:assert/strict';
import { test } from 'node:test';
import { helpText, readCommand, type Settings } from '../../src/config.ts';
import { StartupError } from '../../src/errors.ts';

function settings(argv: readonly string[] = [], environment: Record<string, string> = {}): Settings {
  const command = readCommand(argv, environment, '1.2.3');
  assert.ok(command.kind === 'run');
  return command.settings;
}

const refusal = (argv: readonly string[], environment: Record<string, string>): StartupError => {
  try {
    readCommand(argv, environment, '1.2.3');
  } catch (error) {
    assert.ok(error instanceof StartupError);
    return error;
  }
  throw new Error('it was accepted');
};

test('without anything set, the defaults hold', () => {
  const { host, gatewayPort, adminHost, adminPort, processes, queueMax, accessLog, trustedProxies, adminApiKey } =
    settings();
  assert.deepEqual(
    { host, gatewayPort, adminHost, adminPort, processes, queueMax, accessLog, trustedProxies, adminApiKey },
    {
      host: '0.0.0.0',
      gatewayPort: 8080,
      adminHost: '127.0.0.1',
      adminPort: 8081,
      processes: 1,
      queueMax: 1024,
      accessLog: false,
      trustedProxies: [],
      adminApiKey: null,
    },
  );
});

test('a flag wins over its variable, and an empty variable is not set', () => {
  const environment = { RUST_EDGE_GATEWAY_GATEWAY_PORT: '9000', RUST_EDGE_GATEWAY_QUEUE_MAX: '' };
  assert.equal(settings([], environment).gatewayPort, 9000);
  assert.equal(settings(['--gateway-port', '9001'], environment).gatewayPort, 9001);
  assert.equal(settings([], environment).queueMax, 1024);
});

test('fractions of seconds, switches and lists are read', () => {
  const read = settings([], {
    RUST_EDGE_GATEWAY_HANDLER_TIMEOUT_SECS: '0.25',
    RUST_EDGE_GATEWAY_ACCESS_LOG: 'on',
    RUST_EDGE_GATEWAY_TRUSTED_PROXIES: '10.0.0.0/8, ::1',
  });
  assert.deepEqual([read.handlerTimeoutSecs, read.accessLog, read.trustedProxies], [0.25, true, ['10.0.0.0/8', '::1']]);
});

for (const [name, value] of [
  ['GATEWAY_PORT', '70000'],
  ['GATEWAY_PORT', '80 80'],
  ['PROCESSES', '0'],
  ['PROCESSES', '1.5'],
  ['QUEUE_MAX', '-1'],
  ['HANDLER_TIMEOUT_SECS', 'soon'],
  ['TRUSTED_PROXIES', 'my-proxy'],
  ['ACCESS_LOG', 'maybe'],
  ['LOG_LEVEL', 'loud'],
  ['HOST', 'no host'],
] as const) {
  test(`${name}=${value} is refused with its name, its value and what is allowed, status 78`, () => {
    const variable = `RUST_EDGE_GATEWAY_${name}`;
    const error = refusal([], { [variable]: value });
    assert.equal(error.exitStatus, 78);
    assert.ok(error.message.startsWith(`${variable} is "${value}"; allowed is `), error.message);
    assert.doesNotMatch(error.message, /\n/);
  });
}

test('a refused admin key is not repeated', () => {
  const error = refusal([], { RUST_EDGE_GATEWAY_ADMIN_API_KEY: 'short secret' });
  assert.equal(error.exitStatus, 78);
  assert.doesNotMatch(error.message, /short secret/);
});

test('an unknown flag is refused, an unknown variable of ours is told', () => {
  assert.match(refusal(['--colour', 'red'], {}).message, /--colour/);
  const command = readCommand([], { RUST_EDGE_GATEWAY_COLOUR: 'red' }, '1.2.3');
  assert.ok(command.kind === 'run');
  assert.deepEqual(command.unknownVariables, ['RUST_EDGE_GATEWAY_COLOUR']);
});

test('the help names every flag', () => {
  assert.deepEqual(readCommand(['--help'], {}, '1.2.3'), { kind: 'print', text: helpText() });
  for (const flag of ['--gateway-port', '--drain-timeout-secs', '--handler-max-memory-mb'])
    assert.ok(helpText().includes(flag));
});
