import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { endpoint, TestFleet } from './test-fleet.ts';

/** Waits until one process serves and one is a spare; gives their process ids. */
async function bothReady(fleet: TestFleet): Promise<{ serving: number; spare: number }> {
  return eventually('one serves and one is a spare', () => {
    const [serving] = fleet.pidsIn('serving');
    const [spare] = fleet.pidsIn('spare');
    return serving !== undefined && spare !== undefined && { serving, spare };
  });
}

test('the first process is waited for, the spare is not; it does not accept', async () => {
  await using fleet = await TestFleet.open({}, 1, 1);
  await fleet.start(endpoint('a', 1));
  assert.deepEqual(fleet.pidsIn('spare'), []);
  const { serving } = await bothReady(fleet);
  assert.deepEqual(fleet.history, ['starting', 'serving', 'starting', 'spare']);
  assert.deepEqual(fleet.logs('accept'), [{ pid: serving }]);
  for (let asked = 0; asked < 5; asked += 1) assert.equal(await fleet.answer(), serving);
});

test('a spare takes over when the process that serves is killed, waiting connections are its own, and a new spare comes', async () => {
  await using fleet = await TestFleet.open({}, 1, 1);
  await fleet.start();
  const { serving, spare } = await bothReady(fleet);
  // Stopped, it accepts nothing more: the connection waits in the socket.
  process.kill(serving, 'SIGSTOP');
  const { hostname, port } = new URL(fleet.socket.url);
  const waiting = connect(Number(port), hostname);
  await once(waiting, 'connect');
  waiting.write('GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n');
  process.kill(serving, 'SIGKILL');
  assert.ok((await text(waiting)).endsWith(`\r\n\r\n${spare}`));
  assert.equal(await fleet.answer(), spare);
  const { serving: now, spare: next } = await bothReady(fleet);
  assert.equal(now, spare);
  assert.notEqual(next, serving);
  const tail = fleet.history.slice(4);
  assert.deepEqual(tail.toSorted(), ['ended (SIGKILL)', 'serving', 'spare', 'starting']);
  assert.ok(tail.indexOf('starting') > tail.indexOf('serving'), 'the start of the next one takes no time from it');
});

test('a spare hears of every commit in order, and has heard of the newest when it takes over', async () => {
  await using fleet = await TestFleet.open({}, 1, 1);
  await fleet.start(endpoint('a', 1));
  const { serving, spare } = await bothReady(fleet);
  for (let generation = 2; generation < 30; generation += 1) {
    assert.deepEqual(await fleet.fleet.prepare(endpoint('a', generation)), { ok: true });
    await fleet.fleet.commit('a', endpoint('a', generation));
  }
  const last = fleet.fleet.commit('b', endpoint('b', 1));
  process.kill(serving, 'SIGKILL');
  await last;
  await eventually('it has taken over', () => fleet.logs('accept').length === 2);
  const heard = fleet.said
    .filter(({ process, event }) => process === spare && event.kind === 'log')
    .flatMap(({ event }) => (event.kind === 'log' ? [event] : []))
    .filter(({ message }) => message === 'commit' || message === 'accept')
    .map(({ fields }) => fields['version'] ?? 'accept');
  const versions = Array.from({ length: 29 }, (_, index) => index + 2);
  assert.deepEqual(heard, [...versions, 'accept']);
});

test('a deploy waits neither for a spare that hangs nor for one that starts', async () => {
  await using fleet = await TestFleet.open({}, 1, 1);
  await fleet.start(endpoint('a', 1));
  const { spare } = await bothReady(fleet);
  process.kill(spare, 'SIGSTOP');
  assert.deepEqual(await fleet.fleet.prepare(endpoint('a', 2)), { ok: true });
  await fleet.fleet.commit('a', endpoint('a', 2));
  await fleet.fleet.figures();
  assert.deepEqual(fleet.pidsIn('spare'), [spare], 'it has not been given up yet');
  process.kill(spare, 'SIGKILL');
  await eventually('another one starts', () => fleet.pidsIn('starting').length === 1);
  await fleet.fleet.commit('a', endpoint('a', 3));
  const { spare: next } = await bothReady(fleet);
  assert.notEqual(next, spare);
});

test('a spare that is killed is replaced, and no client notices', async () => {
  await using fleet = await TestFleet.open({}, 1, 1);
  await fleet.start();
  const { serving, spare } = await bothReady(fleet);
  process.kill(spare, 'SIGKILL');
  await eventually('it has ended', () => fleet.history.includes('ended (SIGKILL)'));
  assert.equal(await fleet.answer(), serving);
  const { serving: now, spare: next } = await bothReady(fleet);
  assert.equal(now, serving);
  assert.notEqual(next, spare);
});

test('when the process that serves and its spare are killed at once, fresh ones take their places', async () => {
  await using fleet = await TestFleet.open({}, 1, 1);
  await fleet.start(endpoint('a', 7));
  const { serving, spare } = await bothReady(fleet);
  process.kill(serving, 'SIGKILL');
  process.kill(spare, 'SIGKILL');
  const answered = await fleet.answer();
  assert.ok(![serving, spare].includes(answered));
  const { serving: now } = await bothReady(fleet);
  assert.equal(now, answered);
  assert.deepEqual(fleet.logs('start').at(-1), { serving: [['a', 7]] });
});

test('with several processes, spares take the places there are spares for', async () => {
  await using fleet = await TestFleet.open({}, 2, 1);
  await fleet.start();
  const [spare = 0] = await eventually(
    'there is a spare',
    () => fleet.pidsIn('spare').length === 1 && fleet.pidsIn('spare'),
  );
  const killed = fleet.pidsIn('serving');
  for (const pid of killed) process.kill(pid, 'SIGKILL');
  await eventually('both have ended', () => fleet.at('ended').length === 2);
  await eventually(
    'two serve, one is a spare',
    () => fleet.pidsIn('serving').length === 2 && fleet.pidsIn('spare').length === 1,
  );
  assert.ok(fleet.pidsIn('serving').includes(spare));
  assert.deepEqual(
    killed.filter(pid => fleet.pids.includes(pid)),
    [],
  );
});

test('a process that asks to be replaced is relieved by the spare, and a new spare comes', async () => {
  await using fleet = await TestFleet.open({}, 1, 1);
  await fleet.start();
  const { serving, spare } = await bothReady(fleet);
  process.kill(serving, 'SIGUSR2');
  await eventually('it has ended', () => fleet.history.includes('ended (suspect)'));
  assert.deepEqual(fleet.logs('shutdown'), [{ handover: true }]);
  assert.equal(await fleet.answer(), spare);
  const { serving: now } = await bothReady(fleet);
  assert.equal(now, spare);
});

test('what a spare cannot bind is nobody’s business until it serves', async () => {
  await using fleet = await TestFleet.open({ failsLater: 'a' }, 1, 1);
  await fleet.start(endpoint('a', 1));
  const { serving } = await bothReady(fleet);
  await fleet.fleet.prepare(endpoint('a', 2));
  await fleet.fleet.commit('a', endpoint('a', 2));
  const saidSo = (): boolean => fleet.said.some(({ event }) => event.kind === 'endpoint_failed');
  await eventually('the spare has said so', saidSo);
  assert.deepEqual(fleet.failed, []);
  process.kill(serving, 'SIGKILL');
  await eventually('it is known when it serves', () => fleet.startFailures.includes('a probe_failed'));
});

test('an endpoint that kills spares goes to error after the second, and the process that serves goes on', async () => {
  await using fleet = await TestFleet.open({ deadlyLater: 'bad' }, 1, 1);
  await fleet.start(endpoint('good', 1));
  const { serving } = await bothReady(fleet);
  await fleet.fleet.prepare(endpoint('bad', 2));
  await fleet.fleet.commit('bad', endpoint('bad', 2));
  await eventually('it is known', () => fleet.failed.length === 1);
  assert.deepEqual(fleet.failed, ['bad 2 process_died']);
  const { serving: now } = await bothReady(fleet);
  assert.equal(now, serving);
  assert.equal(fleet.at('ended').length, 2);
});

test('what a spare has loaded is not among the figures', async () => {
  await using fleet = await TestFleet.open({}, 1, 1);
  await fleet.start();
  await bothReady(fleet);
  await eventually('both were asked', async () => {
    await fleet.fleet.figures();
    return fleet.figures.total().cpuSeconds === 2;
  });
  assert.equal((await fleet.fleet.figures()).length, 1);
  assert.equal(fleet.figures.total().librariesMapped, 1);
});

test('a shutdown ends spares at once, also one that hangs', async () => {
  const fleet = await TestFleet.open({}, 1, 1);
  await fleet.start();
  const { spare } = await bothReady(fleet);
  process.kill(spare, 'SIGSTOP');
  await fleet[Symbol.asyncDispose]();
  assert.deepEqual(fleet.pids, []);
  assert.deepEqual(fleet.logs('shutdown'), [{ handover: false }]);
});
