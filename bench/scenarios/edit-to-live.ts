/** How long an author waits: compiles, and from saving an edit to its first answer. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { example } from '../../test/support/code.ts';
import type { ApiData, RunningGateway } from '../../test/support/gateway.ts';
import { RestartedAxum } from '../contestants/axum/swapped.ts';
import type { Contestant } from '../contestants/contestant.ts';
import { launch, settled } from '../contestants/gateway/contestant.ts';
import { run } from '../harness/install.ts';
import { BENCH, cacheFolder, TARGET } from '../harness/places.ts';
import { median, percentile } from '../report/statistics.ts';
import type { Amounts, Readings, Scenario } from './scenario.ts';

const ENDPOINTS = 7;
const HELLO = example('hello');
const edited = (word: string): string => HELLO.replace('"Hello, {name}!"', `"${word}, {name}!"`);

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}

async function expectAnswer(url: string, word: string): Promise<void> {
  const text = await (await fetch(url)).text();
  if (!text.includes(word)) throw new Error(`an old answer: ${text}`);
}

async function author(gateway: RunningGateway, id: string): Promise<Readings> {
  const compile = (): Promise<ApiData> => gateway.must('POST', `/endpoints/${id}/compile`);
  const save = (code: string): Promise<ApiData> => gateway.must('PUT', `/endpoints/${id}/code`, { code });
  await gateway.must('POST', '/endpoints', { id, name: id, path: `/${id}`, code: HELLO });
  const first = await timed(compile);
  await save(edited('Good morning'));
  const edit = await timed(compile);
  await save(HELLO);
  const again = await timed(compile);
  await gateway.must('POST', `/endpoints/${id}/deploy`);
  const live = await timed(async () => {
    await save(edited('Good evening'));
    await gateway.must('POST', `/endpoints/${id}/deploy`, { compile: true });
    await expectAnswer(`${gateway.url}/${id}`, 'Good evening');
  });
  return { first_ms: first, edit_ms: edit, again_ms: again, live_ms: live };
}

/** Medians over the endpoints, and the longest edit to live. */
function summarize(samples: readonly Readings[]): Readings {
  const of = (name: string): number[] => samples.flatMap(sample => sample[name] ?? []);
  const names = ['first_ms', 'edit_ms', 'again_ms', 'live_ms'].filter(name => of(name).length > 0);
  const medians = Object.fromEntries(names.map(name => [name, median(of(name))]));
  return { ...medians, live_max_ms: percentile(of('live_ms'), 1) };
}

async function onGateway(endpoints: number): Promise<Readings> {
  await using gateway = await launch();
  // The first build ever also compiles what all endpoints share.
  await gateway.log(line => line.event === 'example_ready', 300_000);
  await settled(gateway, 1);
  const samples: Readings[] = [];
  for (let number = 0; number < endpoints; number += 1) samples.push(await author(gateway, `bench-${number}`));
  return summarize(samples);
}

/** The same edit of the axum program: `cargo build --release`, then the restart behind the shared socket. */
async function onAxum(edits: number): Promise<Readings> {
  const folder = cacheFolder('axum-edited');
  for (const name of ['contestants/axum', 'load/constant-rate', 'Cargo.toml', 'Cargo.lock']) {
    cpSync(join(BENCH, name), join(folder, name), { recursive: true });
  }
  const target = `${TARGET}-edited`;
  const source = join(folder, 'contestants/axum/src/main.rs');
  const original = readFileSync(source, 'utf8');
  const build = (): Promise<string> =>
    run(
      'cargo',
      ['build', '--release', '--locked', '--quiet', '--package', 'bench-axum', '--target-dir', target],
      folder,
    );
  await build();
  const server = await RestartedAxum.start();
  const samples: Readings[] = [];
  try {
    for (let number = 0; number < edits; number += 1) {
      const live = await timed(async () => {
        writeFileSync(source, original.replaceAll('"Hello, world!"', `"Good evening ${number}"`));
        await build();
        await server.swap(number, join(target, 'release', 'bench-axum'));
        await expectAnswer(`${server.url}/hello`, `Good evening ${number}`);
      });
      samples.push({ live_ms: live });
    }
  } finally {
    await server.stop();
  }
  return summarize(samples);
}

export const editToLive: Scenario = {
  id: 'edit-to-live',
  title: 'edit to live',
  about:
    'The example `hello` as new endpoints, one after the other, dependencies compiled before: first compile, recompile after a one-line edit, the answer for source that was built before; then saving an edit, compiling, deploying, first answer. For axum: the edit, `cargo build --release`, the restart, first answer.',
  reference: 'axum-restart',
  contestants: ['axum-restart', 'gateway'],
  roundsMax: 3,
  metrics: [
    { id: 'first_ms', label: 'first compile ms', better: 'lower', check: 'no' },
    { id: 'edit_ms', label: 'one-line edit ms', better: 'lower', check: 'no' },
    { id: 'again_ms', label: 'built before ms', better: 'lower', check: 'no' },
    { id: 'live_ms', label: 'edit to live ms', better: 'lower', check: 'ratio' },
    { id: 'live_max_ms', label: 'longest edit to live ms', better: 'lower', check: 'no' },
  ],
  measure(contestant: Contestant, amounts: Amounts): Promise<Readings> {
    const endpoints = amounts.endpoints ?? ENDPOINTS;
    return contestant.id === 'gateway' ? onGateway(endpoints) : onAxum(endpoints);
  },
};
