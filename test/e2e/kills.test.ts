/**
 * The gateway process is killed under load, again and again. Every second time it is stopped first, so that it is known
 * which connections it can take along, and that others wait in the listening socket. `KILLS=200`
 * (`npm run soak:containment`) makes it the long run.
 */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { tableLines } from '../../bench/report/table.ts';
import { Asking, wasServed, witnessQuestion } from '../chaos/asking.ts';
import type { ClientConnection } from '../chaos/connection.ts';
import { EXECUTIONS_VARIABLE, witnessing } from '../chaos/handlers.ts';
import { History } from '../chaos/history.ts';
import { acceptedPorts } from '../chaos/injections/processes.ts';
import { Ledger } from '../chaos/ledger.ts';
import type { RequestRecord } from '../chaos/rules.ts';
import { eventually } from '../support/eventually.ts';
import { RunningGateway } from '../support/gateway.ts';
import { freeze, settled } from '../support/places.ts';
import { timesRow } from '../support/times.ts';

const KILLS = Number(process.env['KILLS'] ?? 6);
const KEEP_ALIVE = 6;
const RECONNECTING = 4;
const CLIENT_PAUSE_MS = 5;
/** Handlers that wait, so that requests are in flight whenever the process dies. */
const WAITS_MS = [0, 0, 20, 100];
/** A client hears of the death of its process within so long. */
const LOST_WITHIN_MS = 2_000;
/** A new connection should be answered so long after the kill at the latest. */
const TAKE_OVER_MS = 50;
const PRIMED_WITHIN_MS = 300_000;
const ENDPOINT = 'witness';
const VIOLATIONS_SHOWN = 3;

interface Setting {
  readonly gateway: RunningGateway;
  readonly history: History;
  readonly asking: Asking;
  readonly port: number;
}

/** Asks until it is told to stop; the numbers of its waits differ from client to client. */
async function client({ asking }: Setting, index: number, keepsAlive: boolean, stop: AbortSignal): Promise<void> {
  let kept: ClientConnection | null = null;
  for (let asked = index; !stop.aborted; asked += 1) {
    if (keepsAlive && kept?.isOpen !== true) kept = asking.connect();
    const question = witnessQuestion(ENDPOINT, WAITS_MS[asked % WAITS_MS.length]);
    await asking.ask(question, kept ?? undefined);
    await pause(CLIENT_PAUSE_MS);
  }
  kept?.close();
}

const startClients = (setting: Setting, stop: AbortSignal): Promise<unknown> =>
  Promise.all(
    Array.from({ length: KEEP_ALIVE + RECONNECTING }, async (_, index) =>
      client(setting, index, index < KEEP_ALIVE, stop),
    ),
  );

/** Stops the process: it accepts nothing any more, so what it holds is all that can be lost, and a new connection waits. */
async function stopProcess(
  { history, port, asking }: Setting,
  pid: number,
): Promise<{ asked: Promise<RequestRecord> }> {
  await freeze(pid);
  history.processEnds(await acceptedPorts(pid, port));
  const waiting = asking.connect();
  const asked = asking.ask(witnessQuestion(ENDPOINT), waiting);
  await eventually('a connection waits in the socket', () => waiting.localPort !== 0);
  return { asked };
}

/** Kills the serving process; the milliseconds until a connection that is opened afterwards is answered. */
async function kill(setting: Setting, isStoppedFirst: boolean): Promise<number> {
  const { gateway, history, asking } = setting;
  const { serving, spare } = await settled(gateway);
  const waiting = isStoppedFirst ? await stopProcess(setting, serving) : null;
  process.kill(serving, 'SIGKILL');
  const killedAt = performance.now();
  if (!isStoppedFirst) history.processHasEnded(LOST_WITHIN_MS);
  const first = await asking.ask(witnessQuestion(ENDPOINT));
  const tookMs = performance.now() - killedAt;
  assert.ok(wasServed(first), 'a connection opened after the kill is answered');
  if (waiting !== null) assert.ok(wasServed(await waiting.asked), 'a connection that waited in the socket is answered');
  assert.equal((await settled(gateway)).serving, spare, 'the spare has taken over');
  return tookMs;
}

async function notedExecutions(path: string): Promise<string[]> {
  return (await readFile(path, 'utf8')).split('\n').filter(line => line !== '');
}

test(`${KILLS} kills of the gateway process lose nothing but what it had in flight, and run nothing twice`, async t => {
  const folder = await mkdtemp(join(tmpdir(), 'kills-'));
  const executionsPath = join(folder, 'executions');
  await writeFile(executionsPath, '');
  await using gateway = await RunningGateway.start({ environment: { [EXECUTIONS_VARIABLE]: executionsPath } });
  await gateway.deploy(ENDPOINT, { code: witnessing('the only build'), method: 'ANY' });
  // A build beside it would take a processor from the takeovers that are timed.
  await gateway.log(line => line['msg'] === 'the build directory is primed', PRIMED_WITHIN_MS);
  const history = new History();
  history.change(ENDPOINT, 'the only build').done();
  history.timeout(ENDPOINT, 30_000);
  const ledger = new Ledger(history, `kills-${process.pid}`);
  const port = Number(new URL(gateway.url).port);
  const setting: Setting = { gateway, history, asking: new Asking(port, ledger, history), port };

  const stop = new AbortController();
  const clients = startClients(setting, stop.signal);
  const times = { 'under load': [] as number[], 'stopped first': [] as number[] };
  try {
    for (let killed = 0; killed < KILLS; killed += 1) {
      const isStoppedFirst = killed % 2 === 1;
      times[isStoppedFirst ? 'stopped first' : 'under load'].push(await kill(setting, isStoppedFirst));
      ledger.judgeEnded();
      history.forgetOld();
    }
  } finally {
    stop.abort();
    await clients;
  }
  ledger.close();

  const { requests, lost } = ledger.figures;
  const rows = Object.entries(times).map(([how, taken]) =>
    timesRow(`killed ${how}: first answer`, taken, TAKE_OVER_MS),
  );
  for (const line of tableLines(rows)) t.diagnostic(line);
  t.diagnostic(`${requests} requests, ${lost} lost with their connections, ${ledger.violationsTotal} violations`);
  assert.deepEqual(ledger.violations.slice(0, VIOLATIONS_SHOWN), []);
  assert.deepEqual(ledger.checkExecutions(await notedExecutions(executionsPath)), []);
  const restarts = new RegExp(`process_restarts_total\\{reason="SIGKILL"\\} ${KILLS}\\n`);
  assert.match(await gateway.metrics(), restarts);
  await rm(folder, { recursive: true });
});
