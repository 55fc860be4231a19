/**
 * Faults of every kind, again and again, beside busy neighbours. `FAULTS=100000` (`npm run soak:containment`) makes it
 * the long run, which also demands that memory, mappings, threads and descriptors stay where they are.
 */
import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { test } from 'node:test';
import { tableLines, type Row } from '../../bench/report/table.ts';
import { PUBLIC_ERRORS } from '../../src/errors.ts';
import { answering, kit } from '../support/code.ts';
import { footprint, type Footprint } from '../support/footprint.ts';
import { RunningGateway, type LogLine } from '../support/gateway.ts';
import { get, startLoad, type Load } from '../support/load.ts';
import { ENDLESS, FAULTS, misdeedPath, type Misdeed } from '../support/misdeeds.ts';
import { settled } from '../support/places.ts';
import { timesRow } from '../support/times.ts';

const FAULTS_WANTED = Number(process.env['FAULTS'] ?? 400);
/** A run this long has to show that nothing grows. */
const LONG_RUN_FAULTS = 20_000;
const CULPRITS = 4;
const CRASH_TIMEOUT_MS = 30_000;
const ENDLESS_TIMEOUT_MS = 100;
/** A fault should be answered so long after its deadline at the latest. */
const GRACE_MS = 100;
/** Footprints are taken after each tenth; those after the second and the last are compared. */
const SLICES = 10;
const MEMORY_GROWTH_MAX = 0.1;
const WRONG_SHOWN = 5;

/** All kinds in turn, a slow one after two fast ones. */
const MISDEEDS: readonly Misdeed[] = ENDLESS.flatMap((endless, index) => [
  ...FAULTS.slice(2 * index, 2 * index + 2),
  endless,
]);

interface Done {
  readonly misdeed: Misdeed;
  readonly ms: number;
}

/** Asks one pair of faulty endpoints, one request at a time, so that each fault has a request of its own. */
class Culprit {
  readonly done: Done[] = [];
  readonly wrong: string[] = [];
  readonly #gateway: RunningGateway;
  readonly #index: number;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });

  constructor(gateway: RunningGateway, index: number) {
    this.#gateway = gateway;
    this.#index = index;
  }

  async deploy(): Promise<void> {
    await this.#gateway.deploy(`crashing-${this.#index}`, { ...kit(), threads: 1, timeout_ms: CRASH_TIMEOUT_MS });
    await this.#gateway.deploy(`hasty-${this.#index}`, { ...kit(), threads: 1, timeout_ms: ENDLESS_TIMEOUT_MS });
  }

  /** Its share of the faults with these numbers. */
  async commit(from: number, until: number): Promise<void> {
    for (let number = from; number < until; number += 1) {
      if (number % CULPRITS !== this.#index) continue;
      const misdeed = MISDEEDS[number % MISDEEDS.length];
      if (misdeed !== undefined) await this.#commit(misdeed);
    }
  }

  /** Resolves when both endpoints have a fresh image and nothing to do. */
  async rest(): Promise<void> {
    const answer = await this.#ask(`crashing-${this.#index}`, { op: 'count' });
    if (answer.status !== 200) this.wrong.push(`count: ${JSON.stringify(answer)}`);
    // Its timeout is short: on a busy machine it may pass while the image is bound.
    await this.#ask(`hasty-${this.#index}`, { op: 'count' });
  }

  close(): void {
    this.#agent.destroy();
  }

  async #commit(misdeed: Misdeed): Promise<void> {
    const sentAt = performance.now();
    const answer = await this.#ask(`${ENDLESS.includes(misdeed) ? 'hasty' : 'crashing'}-${this.#index}`, misdeed);
    this.done.push({ misdeed, ms: performance.now() - sentAt });
    const { status, sentence } = PUBLIC_ERRORS[misdeed.code];
    const expected = `{"error":"${sentence}","code":"${misdeed.code}","request_id":`;
    const isRight = answer.status === status && answer.body.startsWith(expected);
    if (!isRight) this.wrong.push(`${misdeed.op}: ${JSON.stringify(answer)}`);
  }

  async #ask(endpoint: string, misdeed: Pick<Misdeed, 'op' | 'n'>) {
    return get(this.#gateway.url + misdeedPath(endpoint, misdeed), this.#agent);
  }
}

const wanted = (kind: string): number =>
  Array.from({ length: FAULTS_WANTED }, (_, number) => MISDEEDS[number % MISDEEDS.length]).filter(
    misdeed => misdeed?.kind === kind,
  ).length;

/** Faults that the gateway has counted, by kind, over all endpoints. */
async function counted(gateway: RunningGateway): Promise<Map<string, number>> {
  const kinds = new Map<string, number>();
  const pattern = /handler_faults_total\{endpoint="[^"]*",kind="([^"]*)"\} (\d+)/g;
  for (const [, kind = '', count] of (await gateway.metrics()).matchAll(pattern)) {
    kinds.set(kind, (kinds.get(kind) ?? 0) + Number(count));
  }
  return kinds;
}

const startNeighbour = (gateway: RunningGateway, name: string): Load =>
  startLoad({
    url: `${gateway.url}/${name}`,
    keepAlive: 2,
    reconnecting: 1,
    pauseMs: 5,
    keep: entry => entry.status !== 200 || entry.body !== name,
  });

async function commitAll(gateway: RunningGateway, culprits: readonly Culprit[], pid: number): Promise<Footprint[]> {
  const footprints: Footprint[] = [];
  for (let slice = 0; slice < SLICES; slice += 1) {
    const [from, until] = [slice, slice + 1].map(share => Math.floor((share * FAULTS_WANTED) / SLICES));
    await Promise.all(culprits.map(async culprit => culprit.commit(from ?? 0, until ?? 0)));
    await Promise.all(culprits.map(async culprit => culprit.rest()));
    assert.ok((await gateway.servingPids()).includes(pid), `the process was replaced: ${remarkable(gateway)}`);
    footprints.push(await footprint(pid));
    // Millions of lines would fill this process's memory.
    gateway.lines.splice(0, gateway.lines.length, ...gateway.lines.filter(isRemarkable));
  }
  return footprints;
}

/** Each fault leaves a line in the log, and what it printed; what is left says why a process is replaced. */
function isRemarkable({ event, fault }: LogLine): boolean {
  if (event === 'fault') return (fault as { suspect: boolean }).suspect;
  return event !== 'handler_log' && event !== undefined;
}

const remarkable = ({ lines }: RunningGateway): string => JSON.stringify(lines.filter(isRemarkable).slice(-10));

function assertFlat(before: Footprint, after: Footprint): void {
  const grown = `grew from ${JSON.stringify(before)} to ${JSON.stringify(after)}`;
  assert.ok(after.memoryKib <= before.memoryKib * (1 + MEMORY_GROWTH_MAX), `memory ${grown}`);
  assert.ok(after.threads <= before.threads, `threads ${grown}`);
  // V8 maps and unmaps pieces of its heap, and connections come and go.
  assert.ok(after.mappings <= before.mappings * 1.05, `mappings ${grown}`);
  assert.ok(after.descriptors <= before.descriptors + 10, `descriptors ${grown}`);
}

function tables(done: readonly Done[], footprints: readonly Footprint[]): string[] {
  const codes = Map.groupBy(done, ({ misdeed }) => misdeed.code);
  const times = [...codes].map(([code, faults]): Row => {
    const timeoutMs = code === 'handler_timeout' ? ENDLESS_TIMEOUT_MS : CRASH_TIMEOUT_MS;
    return timesRow(
      code,
      faults.map(({ ms }) => ms),
      timeoutMs + GRACE_MS,
    );
  });
  const usage = footprints.map((taken, slice) => ({ faults: ((slice + 1) * FAULTS_WANTED) / SLICES, ...taken }));
  return [...tableLines(times), ...tableLines(usage)];
}

test(`${FAULTS_WANTED} faults of ${MISDEEDS.length} kinds each cost their own request, and nobody else notices`, async t => {
  await using gateway = await RunningGateway.start({
    settings: { CRASH_LOOP_FAULTS: '0', INTERRUPTS_MAX: '0', HANDLER_LOG_LINES_MAX: '50' },
  });
  const culprits = Array.from({ length: CULPRITS }, (_, index) => new Culprit(gateway, index));
  for (const culprit of culprits) await culprit.deploy();
  for (const name of ['left', 'right']) await gateway.deploy(name, { code: answering(name), threads: 1 });
  const places = await settled(gateway);
  const neighbours = ['left', 'right'].map(name => ({ name, load: startNeighbour(gateway, name) }));

  const footprints = await commitAll(gateway, culprits, places.serving).finally(async () => {
    for (const culprit of culprits) culprit.close();
    await Promise.all(neighbours.map(async ({ load }) => load.stop()));
  });
  const done = culprits.flatMap(culprit => culprit.done);
  for (const line of tables(done, footprints)) t.diagnostic(line);
  for (const { name, load } of neighbours) {
    const wrong = await load.stop();
    t.diagnostic(`${name}: ${load.finished()} answers beside the faults, ${wrong.length} of them wrong`);
    assert.deepEqual(wrong.slice(0, WRONG_SHOWN), [], `${name} was disturbed`);
    assert.ok(load.finished() > 100, `${name} was busy meanwhile`);
  }

  const wrong = culprits.flatMap(culprit => culprit.wrong);
  assert.deepEqual(wrong.slice(0, WRONG_SHOWN), [], `${wrong.length} faults were answered wrongly`);
  assert.equal(done.length, FAULTS_WANTED);
  assert.deepEqual(await settled(gateway), places, 'the processes are the same');
  const kinds = await counted(gateway);
  // One whose deadline passed before it was started never ran.
  assert.ok((kinds.get('interrupted') ?? 0) <= wanted('interrupted'));
  for (const kind of new Set(FAULTS.map(misdeed => misdeed.kind))) {
    assert.equal(kinds.get(kind), wanted(kind), `faults of kind ${kind} that were counted`);
  }
  const [before, after] = [footprints[1], footprints.at(-1)];
  if (FAULTS_WANTED >= LONG_RUN_FAULTS && before !== undefined && after !== undefined) assertFlat(before, after);
});
