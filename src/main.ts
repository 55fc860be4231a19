import { readFileSync } from 'node:fs';
import { readCommand } from './config.ts';
import { StartupError } from './errors.ts';
import { goFirst } from './protocol/niceness.ts';
import { requirePlatform } from './supervisor/platform.ts';

/** How the supervisor starts gateway processes; not for people. */
const GATEWAY_PROCESS_FLAG = '--gateway-process';

/**
 * How V8 treats the memory of a gateway process, whose requests make short-lived objects only.
 *
 * - Young generation: at 16 MB collecting it takes 1 % of the main thread under load (32 connections), at 4 MB 4 %. More
 *   would cost more memory than it gains.
 * - No objects are created old. V8 does so where most objects of one place in the code have survived for a while, which is
 *   so when hundreds of requests are in flight; what they refer to is then kept, too, until the old generation is collected.
 * - One thread to collect it: with four, which take all cores from the main thread at once, p99 beside a flood was 9 ms,
 *   with one 6.
 * - Handler threads collect their garbage at a moment of their own choice (see workers/garbage.ts).
 */
const GATEWAY_NODE_FLAGS = [
  '--max-semi-space-size=16',
  '--no-allocation-site-pretenuring',
  '--v8-pool-size=1',
  '--expose-gc',
];

function programVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };
  return manifest.version;
}

async function runSupervisor(argv: readonly string[]): Promise<void> {
  const version = programVersion();
  const command = readCommand(argv, process.env, version);
  if (command.kind === 'print') {
    process.stdout.write(command.text);
    return;
  }
  requirePlatform();
  goFirst();
  const { startSupervisor } = await import('./supervisor/supervisor.ts');
  const { settings, unknownVariables } = command;
  const gatewayCommand = [...GATEWAY_NODE_FLAGS, import.meta.filename, GATEWAY_PROCESS_FLAG];
  await startSupervisor({ settings, unknownVariables, version, gatewayCommand });
}

async function main(argv: readonly string[]): Promise<void> {
  if (argv[0] === GATEWAY_PROCESS_FLAG) {
    const { runGatewayProcess } = await import('./gateway/process.ts');
    runGatewayProcess();
    return;
  }
  try {
    await runSupervisor(argv);
  } catch (error) {
    if (!(error instanceof StartupError)) throw error;
    process.stderr.write(`${error.message}\n`);
    // Whatever was opened before the fault must not keep the program alive.
    process.exit(error.exitStatus);
  }
}

await main(process.argv.slice(2));
