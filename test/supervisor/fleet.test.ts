import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { LIMITS } from '../../src/config.ts';
import { eventually } from '../support/eventually.ts';
import { endpoint, TestFleet } from './test-fleet.ts';

test('every process gets the state, then accepts on the shared socket', async () => {
  await using test = await TestFleet.open({}, 2);
  await test.start(endpoint('a', 3));
  assert.equal(test.fleet.canServe(), true);
  assert.deepEqual(test.logs('start'), [{ serving: [['a', 3]] }, { serving: [['a', 3]] }]);
  assert.ok(test.pids.includes(await test.answer()));
});

test('processes that die before they are ready are started again after a growing pause', async () => {
  await using test = await TestFleet.open({ crashStarts: 2 });
  await test.start();
  assert.deepEqual(test.history, ['starting', 'ended (exit_3)', 'starting', 'ended (exit_3)', 'starting', 'serving']);
  const [, second = 0, third = 0] = test.at('starting');
  const [first = 0, next = 0] = test.at('ended');
  assert.ok(second - first >= 99, `first pause ${second - first} ms`);
  assert.ok(third - next >= 199, `second pause ${third - next} ms`);
});

test('a process that dies while it serves is replaced at once, and a client that waits is answered', async () => {
  await using test = await TestFleet.open();
  await test.start();
  const [pid = 0] = test.pids;
  process.kill(pid, 'SIGKILL');
  await eventually('it has ended', () => test.history.includes('ended (SIGKILL)'));
  const answered = await test.answer();
  assert.notEqual(answered, pid);
  assert.deepEqual(test.history, ['starting', 'serving', 'ended (SIGKILL)', 'starting', 'serving']);
  const [, again = 0] = test.at('starting');
  const [ended = 0] = test.at('ended');
  assert.ok(again - ended < 100, `started again after ${again - ended} ms`);
});

test('what is committed while a process starts reaches it before it accepts', async () => {
  await using test = await TestFleet.open({ heldStarts: 1 });
  const started = test.start(endpoint('a', 1));
  await eventually('it is starting', () => test.logs('held').length === 1);
  assert.equal(
    (await test.fleet.commit('a', endpoint('a', 2))).requestsLeft,
    0,
    'a process that serves nobody yet is not waited for',
  );
  await test.fleet.commit('b', endpoint('b', 1));
  await test.fleet.commit('b', null);
  await writeFile(join(test.folder, 'release'), '');
  await started;
  const commits = test.logs('commit').map(({ id, version }) => `${String(id)} ${String(version)}`);
  assert.deepEqual(commits, ['a 2', 'b 4']);
});

test('a process that acknowledges in time is not replaced because the supervisor itself stood still', async () => {
  await using test = await TestFleet.open();
  await test.start();
  const committed = test.fleet.commit('a', endpoint('a', 1));
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LIMITS.commitTimeoutMs + 200);
  await committed;
  assert.deepEqual(test.history, ['starting', 'serving']);
});

test('a commit sums what drains, and a process that does not acknowledge is replaced before it returns', async () => {
  await using test = await TestFleet.open({ ignoresCommits: true }, 2);
  await test.start();
  assert.equal((await test.fleet.commit('a', endpoint('a', 1))).requestsLeft, 1);
  assert.ok(test.history.includes('ended (commit_timeout)'));
  assert.ok(test.fleet.canServe());
  await eventually('two processes again', () => test.at('serving').length === 3);
  assert.deepEqual(test.logs('start').at(-1), { serving: [['a', 1]] });
});

test('an endpoint whose bind killed two processes goes to error, the others come up', async () => {
  await using test = await TestFleet.open({ deadly: 'bad' });
  await test.start(endpoint('good', 1), endpoint('bad', 4));
  assert.deepEqual(test.failed, ['bad 4 process_died']);
  // After a death with several candidates, one bind after the other: the next death names its cause.
  assert.deepEqual(test.logs('concurrency'), [{ bindsAtOnce: 4 }, { bindsAtOnce: 1 }, { bindsAtOnce: 4 }]);
  assert.deepEqual(test.logs('start').at(-1), {
    serving: [
      ['good', 1],
      ['bad', null],
    ],
  });
});

test('processes that are killed while they bind speak against no endpoint, however many', async () => {
  await using test = await TestFleet.open({ killedBinds: 3 });
  await test.start(endpoint('good', 1));
  assert.deepEqual(test.failed, []);
  assert.deepEqual(test.logs('start').at(-1), { serving: [['good', 1]] });
  assert.equal(test.history.filter(one => one === 'ended (SIGKILL)').length, 3);
});

test('a process that is killed while it prepares does not fail the deploy', async () => {
  await using test = await TestFleet.open({ killedBinds: 1 });
  await test.start();
  assert.deepEqual(await test.fleet.prepare(endpoint('a', 1)), { ok: true });
});

test('a library that ends the process while it is prepared cannot be loaded', async () => {
  await using test = await TestFleet.open({ deadly: 'bad' });
  await test.start();
  const outcome = await test.fleet.prepare(endpoint('bad', 1));
  assert.equal(outcome.ok, false);
  assert.match(JSON.stringify(outcome), /process_died/);
  assert.deepEqual(await test.fleet.prepare(endpoint('good', 1)), { ok: true });
});

test('a process that dies of something else during a prepare does not fail the deploy', async () => {
  await using test = await TestFleet.open({ diesIdle: true });
  await test.start();
  assert.deepEqual(await test.fleet.prepare(endpoint('a', 1)), { ok: true });
});

test('what a process has prepared ahead it is not asked to prepare again, as long as it says nothing else', async () => {
  await using test = await TestFleet.open();
  await test.start(endpoint('a', 1));
  await test.fleet.prepare(endpoint('first', 1));
  const prepares = (): unknown[] => test.logs('prepare').flatMap(({ id, ahead }) => (id === 'a' ? [ahead] : []));
  assert.deepEqual(await test.fleet.prepare(endpoint('a', 2), true), { ok: true });
  assert.deepEqual(await test.fleet.prepare(endpoint('a', 2)), { ok: true });
  assert.deepEqual(prepares(), [true], 'it is there');
  assert.deepEqual(await test.fleet.prepare(endpoint('a', 3)), { ok: true });
  assert.deepEqual(prepares(), [true, false], 'another generation');
  process.kill(test.pids[0] ?? 0, 'SIGHUP');
  await eventually('it gave way', () => test.said.some(({ event }) => event.kind === 'gave_way'));
  assert.deepEqual(await test.fleet.prepare(endpoint('a', 2)), { ok: true });
  assert.deepEqual(prepares(), [true, false, false], 'it gave way');
});

test('what was prepared ahead and abandoned, or is older than a commit, is prepared again', async () => {
  await using test = await TestFleet.open();
  await test.start(endpoint('a', 1));
  await test.fleet.prepare(endpoint('first', 1));
  await test.fleet.prepare(endpoint('a', 2), true);
  await test.fleet.abandon('a', 2);
  await test.fleet.prepare(endpoint('a', 2));
  assert.equal(test.logs('prepare').length, 3);
  await test.fleet.prepare(endpoint('a', 3), true);
  await test.fleet.commit('a', endpoint('a', 2));
  await test.fleet.prepare(endpoint('a', 3));
  assert.equal(test.logs('prepare').length, 5);
});

test('a process that asks to be replaced goes when its successor serves, and hands over', async () => {
  await using test = await TestFleet.open();
  await test.start();
  const [pid = 0] = test.pids;
  process.kill(pid, 'SIGUSR2');
  await eventually('it has ended', () => test.history.includes('ended (suspect)'));
  assert.deepEqual(test.history, ['starting', 'serving', 'starting', 'serving', 'draining', 'ended (suspect)']);
  assert.deepEqual(test.logs('shutdown'), [{ handover: true }]);
  assert.notEqual(await test.answer(), pid);
});

test('counters of processes that have ended are kept', async () => {
  await using test = await TestFleet.open();
  await test.start();
  await test.fleet.figures();
  await test.fleet.figures();
  const before = test.figures.total().requestsTotal;
  process.kill(test.pids[0] ?? 0, 'SIGKILL');
  await eventually('another serves', () => test.at('serving').length === 2);
  await test.fleet.figures();
  assert.ok(before >= 2 && test.figures.total().requestsTotal > before);
});

test('what a generation counted is seen once, although it retires while its figures are on the way', async () => {
  await using test = await TestFleet.open({ retiresWithFigures: true });
  await test.start();
  const figures = test.fleet.figures();
  // Nothing is read meanwhile, so the figures and what follows them are heard in one turn.
  while (!existsSync(join(test.folder, 'retired')));
  assert.deepEqual((await figures)[0]?.generations, []);
  assert.ok(test.said.some(({ event }) => event.kind === 'retired'));
  assert.deepEqual(test.figures.total().generations, []);
});

test('a shutdown ends a handover that waits for clients', async () => {
  const test = await TestFleet.open({ holdsHandovers: true });
  await test.start();
  const [pid = 0] = test.pids;
  process.kill(pid, 'SIGUSR2');
  await eventually('it hands over', () => test.logs('shutdown').length === 1);
  await test[Symbol.asyncDispose]();
  assert.deepEqual(test.logs('shutdown'), [{ handover: true }, { handover: false }, { handover: false }]);
  assert.equal(test.history.includes('ended (drain_timeout)'), false);
});

test('a process is asked for its figures once for all who ask at the same time', async () => {
  await using test = await TestFleet.open();
  await test.start();
  const requests = async (): Promise<number | undefined> => (await test.fleet.figures())[0]?.requestsTotal;
  const counts = await Promise.all(Array.from({ length: 10 }, requests));
  // The process counts how often it is asked: by the first of them, or the fleet's own poll, and then for all others.
  assert.ok(new Set(counts).size <= 2, counts.join());
});

test('a shutdown lets every process finish', async () => {
  const test = await TestFleet.open({}, 2);
  await test.start();
  await test[Symbol.asyncDispose]();
  assert.deepEqual(test.pids, []);
  assert.equal(test.fleet.canServe(), false);
  assert.deepEqual(test.logs('shutdown'), [{ handover: false }, { handover: false }]);
});
