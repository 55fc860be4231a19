/**
 * Breaks everything at random, under load, and checks every answer:
 *
 *     npm run chaos -- --seconds 600
 *     npm run chaos -- --seed 1234 --seconds 60 --kinds fault,swap
 */
import { appendFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ACTION_KINDS, type ActionKind } from './plan.ts';
import { randomSeed } from './random.ts';
import { findings, isClean, summary } from './report.ts';
import { CHAOS_DEFAULTS, runChaos } from './runner.ts';

const HELP = `Usage: npm run chaos -- [flags]

  --seed N        what happens, and when; default: a random one, which is printed
  --seconds N     how long; default ${CHAOS_DEFAULTS.seconds}. Another length is another plan
  --kinds a,b     only these: ${ACTION_KINDS.join(', ')}
  --clients N     clients that ask without a pause; default ${CHAOS_DEFAULTS.clients}
  --processes N   gateway processes that serve; default ${CHAOS_DEFAULTS.processes}
  --trace FILE    write the gateway's log there, with the times of this run
  --help
`;

function readArguments() {
  const text = { type: 'string' } as const;
  const options = { seed: text, seconds: text, kinds: text, clients: text, processes: text, trace: text };
  return parseArgs({ options: { ...options, help: { type: 'boolean' } } }).values;
}

function wholeNumber(name: string, value: string | undefined, fallback: number): number {
  const number = value === undefined ? fallback : Number(value);
  if (!Number.isSafeInteger(number) || number < 0) throw new Error(`--${name} takes a whole number, not ${value}.`);
  return number;
}

function readKinds(value: string | undefined): ActionKind[] | undefined {
  return value?.split(',').map(name => {
    const kind = ACTION_KINDS.find(known => known === name);
    if (kind === undefined) throw new Error(`--kinds knows ${ACTION_KINDS.join(', ')}; not ${name}.`);
    return kind;
  });
}

function tracer(path: string) {
  writeFileSync(path, '');
  return (at: number, line: object): void =>
    appendFileSync(path, `${(at / 1_000).toFixed(3)} ${JSON.stringify(line)}\n`);
}

async function main(): Promise<void> {
  const values = readArguments();
  if (values.help === true) return void process.stdout.write(HELP);
  const kinds = readKinds(values.kinds);
  const seed = wholeNumber('seed', values.seed, randomSeed());
  const tell = (line: string): void => void process.stdout.write(`${line}\n`);
  tell(`seed ${seed}`);
  const outcome = await runChaos({
    seed,
    seconds: wholeNumber('seconds', values.seconds, CHAOS_DEFAULTS.seconds),
    clients: wholeNumber('clients', values.clients, CHAOS_DEFAULTS.clients),
    processes: wholeNumber('processes', values.processes, CHAOS_DEFAULTS.processes),
    ...(kinds === undefined ? {} : { kinds }),
    ...(values.trace === undefined ? {} : { trace: tracer(values.trace) }),
    tell,
  });
  tell(summary(outcome));
  if (isClean(outcome)) return;
  tell(findings(outcome));
  process.exitCode = 1;
}

await main();
