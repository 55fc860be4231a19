/** Whatever an image does, only the image is lost: the same thread serves with a fresh one. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { FaultKind } from '../../src/protocol/guard.ts';
import { eventually } from '../support/eventually.ts';
import type { CallResult, GuardedThread } from './guarded-thread.ts';
import { Workbench } from './workbench.ts';

const SHORT_LIMIT_MS = 5;
const ROUNDS = 200;

interface Misdeed {
  readonly path: string;
  readonly kind: FaultKind;
  /** The code that ran was not the image's. */
  readonly foreign?: boolean;
  /** Foreign code that is more than a leaf was left. */
  readonly suspect?: boolean;
}

/** Ends by itself, or at once when interrupted. */
const QUICK: readonly Misdeed[] = [
  { path: '/null', kind: 'memory' },
  { path: '/jump', kind: 'memory', foreign: true },
  { path: '/arena', kind: 'memory' },
  { path: '/memcpy', kind: 'memory', foreign: true },
  { path: '/stack', kind: 'stack_overflow' },
  { path: '/stack-pointer', kind: 'memory' },
  { path: '/illegal', kind: 'illegal_instruction' },
  { path: '/divide', kind: 'arithmetic' },
  { path: '/abort', kind: 'abort', foreign: true, suspect: true },
  { path: '/exit', kind: 'exit' },
  { path: '/out-of-memory', kind: 'out_of_memory' },
  { path: '/smallest', kind: 'abort' },
  { path: '/loop', kind: 'interrupted' },
  { path: '/log-loop', kind: 'interrupted' },
  { path: '/malloc-loop', kind: 'interrupted' },
  { path: '/pause', kind: 'interrupted' },
];

/** Cannot be left in an orderly way: by force after a while. */
const STUBBORN: readonly Misdeed[] = [
  { path: '/hold', kind: 'interrupted', suspect: true },
  { path: '/qsort', kind: 'interrupted', suspect: true },
];

let bench: Workbench;
let thread: GuardedThread;
let library: string;

before(async () => {
  bench = await Workbench.open();
  thread = bench.startThread();
  library = await bench.handlers.compile();
});
after(() => bench.close());

const limitOf = (misdeed: Misdeed): number => (misdeed.kind === 'interrupted' ? SHORT_LIMIT_MS : 2000);

function faultOf(result: CallResult) {
  assert.ok(result.kind === 'fault', result.kind);
  return result;
}

/** One fault, then one answer of a fresh image, on the same thread. */
async function faultAndRecover(on: GuardedThread, misdeed: Misdeed) {
  const image = await bench.bind(on, library);
  const result = faultOf(await on.run('call', image, misdeed.path, limitOf(misdeed)));
  assert.equal(await on.run('unbind', image, 0), 0, misdeed.path);
  const fresh = await bench.bind(on, library);
  assert.deepEqual(await on.run('call', fresh, '/count', 2000), {
    kind: 'reply',
    body: '1',
    logBytes: result.logBytes,
  });
  assert.equal(await bench.unbind(on, fresh), 0);
  return result;
}

for (const misdeed of [...QUICK, ...STUBBORN]) {
  test(`${misdeed.path} costs the image only`, async () => {
    const { fault, message } = await faultAndRecover(thread, misdeed);
    const { kind, suspect, foreign } = fault;
    assert.deepEqual(
      { kind, suspect, message },
      { kind: misdeed.kind, suspect: misdeed.suspect ?? false, message: '' },
    );
    if (kind !== 'interrupted') assert.equal(foreign, misdeed.foreign ?? false);
    assert.equal(bench.mapped(), 0);
    assert.equal(bench.guard.images(), 0);
  });
}

test('a fault says which address was accessed, and where in the library', async () => {
  const { fault } = await faultAndRecover(thread, { path: '/null', kind: 'memory' });
  assert.equal(fault.address, '0');
  assert.equal(fault.signal, 11);
  assert.match(fault.offset, /^[1-9a-f][0-9a-f]*$/);
  const { fault: wildJump } = await faultAndRecover(thread, { path: '/jump', kind: 'memory' });
  assert.deepEqual([wildJump.address, wildJump.offset], ['10', '0']);
});

test('a system call the image waits in is left when it returns', async () => {
  const { patched, waits } = await faultAndRecover(thread, { path: '/pause', kind: 'interrupted' });
  assert.deepEqual([patched, waits >= 1], [1, true]);
});

test('no call is ended before its limit', async () => {
  for (let round = 0; round < 10; round++) {
    const image = await bench.bind(thread, library);
    const start = performance.now();
    await thread.run('call', image, '/loop', 10);
    assert.ok(performance.now() - start >= 10);
    assert.equal(await thread.run('unbind', image, 0), 0);
  }
});

test('a call without a limit runs until it is interrupted from outside', async () => {
  const slot = await thread.run('slot');
  const image = await bench.bind(thread, library);
  const ended = thread.run('call', image, '/loop', 0);
  await eventually('the call runs', () => BigInt(bench.guard.running(slot)) !== 0n);
  const call = BigInt(bench.guard.running(slot));
  assert.equal(bench.guard.interrupt(slot, call - 1n), 1, 'one that is over is not taken for this one');
  assert.equal(bench.guard.interrupt(slot, call), 0);
  assert.equal(faultOf(await ended).fault.kind, 'interrupted');
  assert.equal(BigInt(bench.guard.running(slot)), 0n);
  assert.equal(bench.guard.interrupt(slot, call), 1);
  assert.equal(await thread.run('unbind', image, 0), 0);
});

test('interrupts that come faster than the call gets on count as one: it is not left by force', async () => {
  const slot = await thread.run('slot');
  for (let round = 0; round < 20; round++) {
    const image = await bench.bind(thread, library);
    const ended = thread.run('call', image, '/malloc-loop', 0);
    await eventually('the call runs', () => BigInt(bench.guard.running(slot)) !== 0n);
    const call = bench.guard.running(slot);
    for (let times = 0; times < 1_000; times++) bench.guard.interrupt(slot, call);
    const { fault, waits } = faultOf(await ended);
    assert.deepEqual({ kind: fault.kind, suspect: fault.suspect }, { kind: 'interrupted', suspect: false }, `${waits}`);
    assert.equal(await thread.run('unbind', image, 0), 0);
  }
});

test(`${ROUNDS} faults of all kinds on two threads leave a third one undisturbed, and nothing mapped`, async () => {
  const healthy = bench.startThread();
  const image = await bench.bind(healthy, library);
  const faultsAreOver = new AbortController();
  const serving = (async () => {
    let answers = 0;
    for (; !faultsAreOver.signal.aborted; answers++) {
      const result = await healthy.run('call', image, '/count', 2000);
      assert.deepEqual(result, { kind: 'reply', body: String(answers + 1), logBytes: 0 });
    }
    return answers;
  })();
  const faulting = [thread, bench.startThread()].map(async (on, offset) => {
    for (let round = offset; round < ROUNDS; round += 2) {
      const misdeed = QUICK[round % QUICK.length];
      assert.ok(misdeed !== undefined);
      const { fault } = await faultAndRecover(on, misdeed);
      assert.equal(fault.kind, misdeed.kind, misdeed.path);
    }
  });
  await Promise.all(faulting).finally(() => faultsAreOver.abort());
  assert.ok((await serving) > ROUNDS);
  assert.equal(await bench.unbind(healthy, image), 0);
  assert.equal(bench.mapped(), 0);
});
