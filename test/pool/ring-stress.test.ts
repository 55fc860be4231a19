/** Rings between real threads, at full speed: nothing lost, nothing twice, nothing changed. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { it } from 'node:test';
import { MessageChannel, Worker } from 'node:worker_threads';
import { readReply } from '../../src/protocol/frame.ts';
import { OWNER, WORKER_STATE } from '../../src/protocol/ring.ts';
import { Doorbell, type DoorbellSource } from '../../src/pool/ring/doorbell.ts';
import { ReplyRing } from '../../src/pool/ring/reply-ring.ts';
import { RequestRing } from '../../src/pool/ring/request-ring.ts';
import { partsOf } from './harness.ts';

const FRAMES = 1_000_000;
const WORKERS = 3;
/** Every so many frames one is taken back at once, if no worker was faster. */
const REVOKE_EVERY = 7;

/** Every so many frames one is larger than a slot. */
const ANNEX_EVERY = 97;

const bodyOf = (number: number): string => `${number}-`.repeat(number % ANNEX_EVERY === 0 ? 5_000 : 1 + (number % 40));

it(`carries ${FRAMES} frames over three workers, each answered once with its own content`, async () => {
  const ring = new RequestRing();
  const doorbell = new Doorbell();
  const workers = Array.from({ length: WORKERS }, (_, index) => startWorker(ring, doorbell, index));
  const slots = new Map<number, number>();
  const { promise: finished, resolve: finish } = Promise.withResolvers<void>();
  let sent = 0;
  let revoked = 0;
  let answered = 0;

  const source: DoorbellSource = {
    turn() {
      for (const { replies } of workers) replies.drain(onRecord);
      while (sent < FRAMES && ring.hasRoom) send();
      if (ring.unclaimed > 0 && workers.every((_, index) => ring.state(index) !== WORKER_STATE.woken)) {
        workers.some((_, index) => ring.wake(index));
      }
      if (answered + revoked === FRAMES) finish();
    },
    get hasReplies() {
      return workers.some(({ replies }) => !replies.isEmpty);
    },
    get handedOut() {
      return FRAMES - answered - revoked;
    },
  };
  doorbell.attend(source);
  await finished;

  assert.equal(slots.size, 0);
  assert.ok(revoked > 0 && revoked < FRAMES / REVOKE_EVERY + 1, `${revoked} were revoked`);
  await Promise.all(workers.map(worker => worker.stop()));

  function send(): void {
    sent += 1;
    const slot = ring.post(partsOf('', { body: Buffer.from(bodyOf(sent)) }), sent, 0);
    if (sent % REVOKE_EVERY === 0 && ring.revoke(slot)) {
      revoked += 1;
      ring.release(slot);
    } else {
      slots.set(sent, slot);
    }
  }

  function onRecord(source: Buffer, offset: number): void {
    const number = source.readUInt32LE(offset + 8);
    const slot = slots.get(number);
    assert.ok(slot !== undefined, `${number} was answered twice, or was revoked`);
    assert.notEqual(ring.ownerOf(slot), OWNER.waiting);
    assert.equal(readReply(source, offset)?.body.toString(), bodyOf(number));
    slots.delete(number);
    ring.release(slot);
    answered += 1;
  }
});

function startWorker(ring: RequestRing, doorbell: Doorbell, index: number) {
  const replies = new ReplyRing();
  const { port1, port2 } = new MessageChannel();
  ring.openWorker(index);
  const worker = new Worker(new URL('echo-worker.ts', import.meta.url), {
    workerData: { ring: ring.memory, replies: replies.memory, doorbell: doorbell.memory, port: port2, worker: index },
    transferList: [port2],
    execArgv: [],
  });
  return {
    replies,
    async stop(): Promise<void> {
      port1.postMessage('stop');
      ring.signalControl(index);
      await once(worker, 'exit');
    },
  };
}
