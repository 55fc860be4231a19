import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CompileQueue } from '../../src/build/compile-queue.ts';
import type { CompileInput } from '../../src/build/compiler.ts';
import type { BuildRecord } from '../../src/store/records.ts';
import { newBuild } from '../store/records.ts';

const input = (endpointId: string, code: string): CompileInput => ({ endpointId, code, dependencies: {} });

/** A queue whose builds end when the test says so. */
function openQueue(options: { concurrency?: number; answer?: CompileInput['code'] } = {}) {
  const started: string[] = [];
  const ends = new Map<string, PromiseWithResolvers<void>>();
  const endOf = (code: string) => {
    const end = ends.get(code) ?? Promise.withResolvers<void>();
    ends.set(code, end);
    return end;
  };
  const record = ({ endpointId, code }: CompileInput): BuildRecord =>
    newBuild(`build of ${code}`, endpointId, { code });
  const queue = new CompileQueue({
    concurrency: options.concurrency ?? 1,
    work: {
      answer: async asked => (asked.code === options.answer ? record(asked) : null),
      async build(asked) {
        started.push(asked.code);
        await endOf(asked.code).promise;
        return record(asked);
      },
    },
  });
  const nextTurn = () => new Promise(resolve => setImmediate(resolve));
  return { queue, started, endOf, nextTurn };
}

test('requests that come while a build waits join it, and the newest input is built', async () => {
  const { queue, started, endOf, nextTurn } = openQueue();
  const running = queue.submit(input('one', 'a'));
  await nextTurn();
  const joined = [queue.submit(input('one', 'b')), queue.submit(input('one', 'c')), queue.submit(input('one', 'd'))];
  endOf('a').resolve();
  endOf('d').resolve();
  assert.equal((await running).code, 'a');
  const records = await Promise.all(joined);
  assert.deepEqual(started, ['a', 'd']);
  assert.deepEqual(new Set(records.map(record => record.id)), new Set(['build of d']));
});

test('an endpoint never has two builds at once, others run beside it', async () => {
  const { queue, started, endOf, nextTurn } = openQueue({ concurrency: 3 });
  const first = queue.submit(input('one', 'a'));
  await nextTurn();
  const second = queue.submit(input('one', 'b'));
  const other = queue.submit(input('two', 'c'));
  await nextTurn();
  assert.deepEqual(started, ['a', 'c']);
  for (const code of ['a', 'b', 'c']) endOf(code).resolve();
  await Promise.all([first, second, other]);
  assert.deepEqual(started, ['a', 'c', 'b']);
});

test('a build that is known already is answered while another endpoint has the only slot', async () => {
  const { queue, started, endOf, nextTurn } = openQueue({ answer: 'known' });
  const slow = queue.submit(input('one', 'slow'));
  await nextTurn();
  assert.equal((await queue.submit(input('two', 'known'))).code, 'known');
  assert.deepEqual(started, ['slow']);
  endOf('slow').resolve();
  await slow;
});

test('a request that joins with another input while the answer is looked for gets its own input built', async () => {
  const { queue, started, endOf } = openQueue({ answer: 'known' });
  endOf('new').resolve();
  const [first, second] = await Promise.all([queue.submit(input('one', 'known')), queue.submit(input('one', 'new'))]);
  assert.deepEqual([first.code, second.code], ['new', 'new']);
  assert.deepEqual(started, ['new']);
});

test('a build that fails does so for all that joined it, and the lane goes on', async () => {
  const { queue, endOf, nextTurn } = openQueue();
  const failing = queue.submit(input('one', 'a'));
  endOf('a').reject(new Error('does not compile'));
  await assert.rejects(failing, /does not compile/);
  await nextTurn();
  endOf('b').resolve();
  assert.equal((await queue.submit(input('one', 'b'))).code, 'b');
});

test('builds go before background work that waits', async () => {
  const { queue, started, endOf, nextTurn } = openQueue();
  const running = queue.submit(input('one', 'a'));
  await nextTurn();
  const background = queue.inBackground(async () => {
    started.push('background');
  });
  const second = queue.submit(input('two', 'b'));
  await nextTurn();
  for (const code of ['a', 'b']) endOf(code).resolve();
  await Promise.all([running, second, background]);
  assert.deepEqual(started, ['a', 'b', 'background']);
});

test('a project is removed when its builds are over', async () => {
  const { queue, started, endOf, nextTurn } = openQueue();
  const running = queue.submit(input('one', 'a'));
  await nextTurn();
  const removed = queue.inLane('one', async () => {
    started.push('removed');
  });
  await nextTurn();
  assert.deepEqual(started, ['a']);
  endOf('a').resolve();
  await Promise.all([running, removed, queue.idle()]);
  assert.deepEqual(started, ['a', 'removed']);
});
