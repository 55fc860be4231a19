import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { test } from 'node:test';
import { CallFailed, ControlChannel } from '../../src/supervisor/fleet/control-channel.ts';
import { excuseFor, processorWaitMs } from '../../src/supervisor/fleet/processor-wait.ts';
import { eventually } from '../support/eventually.ts';

const channel = (): ControlChannel => new ControlChannel({ send: () => {}, onEvent: () => {} });

test('a call is late when its time is up and nothing excuses it', async () => {
  await assert.rejects(
    channel().call('figures', {}, 5),
    (error: unknown) => error instanceof CallFailed && error.kind === 'timeout',
  );
});

test('time that is excused is added, again and again, until no more is', async () => {
  const excuses = [3, 3, 0];
  const asked: number[] = [];
  const excusedMs = (): number => {
    const excuse = excuses.shift() ?? 0;
    asked.push(excuse);
    return excuse;
  };
  await assert.rejects(channel().call('figures', {}, 5, excusedMs), CallFailed);
  assert.deepEqual(asked, [3, 3, 0]);
});

test('an answer in excused time is an answer', async () => {
  const calls = channel();
  const answered = calls.call('accept', { crashRows: [] }, 5, () => {
    queueMicrotask(() => calls.receive({ kind: 'answer', call: 1, answer: { ok: true } }));
    return 10_000;
  });
  assert.deepEqual(await answered, { ok: true });
});

test('excused is what was waited since the last time, and no more than the most there is', () => {
  let waitedMs = 100;
  const excusedMs = excuseFor(() => waitedMs, 50);
  assert.equal(excusedMs(), 0);
  waitedMs = 130;
  assert.equal(excusedMs(), 30);
  assert.equal(excusedMs(), 0);
  waitedMs = 1_000;
  assert.equal(excusedMs(), 20);
  waitedMs = 2_000;
  assert.equal(excusedMs(), 0);
  waitedMs = 0;
  assert.equal(excusedMs(), 0, 'a process that has ended has no more to say');
});

/** Its state in a letter, as proc_pid_stat(5) has it: `T` is stopped. */
const stateOf = (pid: number): string | undefined =>
  readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.charAt(0);

/** How long it has had a processor. */
const processorMs = (pid: number): number =>
  Number(readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ')[0]) / 1e6;

test('a process that has to share its processor waits for it; one that is stopped does not', async () => {
  const loops = [0, 1].map(() => spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }));
  const [first, second] = loops.map(({ pid }) => pid ?? 0);
  try {
    // Both on the first processor this machine lets them use.
    for (const pid of [first, second]) await once(spawn('taskset', ['-cp', '0', String(pid)]), 'exit');
    const before = processorWaitMs(first ?? 0);
    await eventually('it has waited', () => processorWaitMs(first ?? 0) > before + 20);
    process.kill(first ?? 0, 'SIGSTOP');
    await eventually('it has stopped', () => stateOf(first ?? 0) === 'T');
    const waitedMs = processorWaitMs(first ?? 0);
    const ranMs = processorMs(second ?? 0);
    await eventually('the other one has gone on', () => processorMs(second ?? 0) > ranMs + 50);
    assert.equal(processorWaitMs(first ?? 0), waitedMs);
  } finally {
    for (const loop of loops) loop.kill('SIGKILL');
  }
  await Promise.all(loops.map(async loop => loop.exitCode ?? loop.signalCode ?? once(loop, 'exit')));
  assert.equal(processorWaitMs(first ?? 0), 0);
});
