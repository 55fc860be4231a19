import type { BindFailure } from '../protocol/control.ts';
import { WORKERS_MAX, WORKER_STATE } from '../protocol/ring.ts';
import type { ImageSpec, ServeResult } from '../protocol/worker.ts';
import type { PoolEvents } from './handler-pool.ts';
import { ReplyRing } from './ring/reply-ring.ts';
import type { RequestRing } from './ring/request-ring.ts';
import type { RingMemory } from './ring/ring-memory.ts';
import type { BlankPool, Standby } from './standby.ts';
import { WorkerLink, type LinkListener } from './worker-link.ts';

/** Most time from asking for a worker to its first image: a thread's start on a loaded machine, and the bind. */
const START_TIMEOUT_MS = 30_000;

export interface WorkersOptions {
  readonly ring: RequestRing;
  readonly memory: RingMemory;
  readonly doorbell: SharedArrayBuffer;
  readonly standby: Standby;
  readonly image: ImageSpec;
  readonly events: PoolEvents;
  readonly listener: LinkListener;
  /** A worker has ended, for whatever reason; what it held besides is lost. */
  onEnded(link: WorkerLink): void;
  /** A worker is in a call that nothing can end; what it held is lost. */
  onLost(link: WorkerLink): void;
}

/** The workers of one pool: starts and stops serve tasks, and replaces those that die. */
export class Workers {
  readonly #options: WorkersOptions;
  readonly #links: (WorkerLink | null)[] = [];
  /** Those that nobody waits for any more. */
  readonly #lost = new Set<WorkerLink>();
  #image: ImageSpec;
  #pool: BlankPool | null = null;
  #closing = false;
  #stillMapped = false;
  #threadDied = false;
  #live = 0;
  readonly #ended = Promise.withResolvers<void>();

  constructor(options: WorkersOptions) {
    this.#options = options;
    this.#image = options.image;
  }

  /** Workers that have not ended. */
  get live(): number {
    return this.#live;
  }

  /** Workers that have not ended, and are not lost in a call that nothing can end. */
  get usable(): number {
    return this.#live - this.#lost.size;
  }

  /** Workers with an image that is of use; one that had to be given up before it bound its first is none. */
  get bound(): number {
    let count = 0;
    for (const link of this) if (link.slot !== null && !this.#lost.has(link)) count += 1;
    return count;
  }

  /** Workers that were given up before they bound an image, and are still about: no thread has taken their task. */
  get stuck(): number {
    let count = 0;
    for (const link of this) if (link.slot === null && link.state === 'stopping') count += 1;
    return count;
  }

  /** The generation that was prepared ahead is deployed, also for workers that come later. */
  deployed(): void {
    this.#image = { ...this.#image, ahead: false };
    for (const link of this) link.post({ kind: 'deployed' });
  }

  /** Images may be left in the process: one would not unmap, or its thread died. */
  get stillMapped(): boolean {
    return this.#stillMapped;
  }

  get threads(): number {
    return this.#pool?.threads ?? 0;
  }

  at(index: number): WorkerLink | null {
    return this.#links[index] ?? null;
  }

  *[Symbol.iterator](): Generator<WorkerLink> {
    for (const link of this.#links) if (link !== null) yield link;
  }

  count(state: WorkerLink['state']): number {
    let count = 0;
    for (const link of this) if (link.state === state) count += 1;
    return count;
  }

  /** Serving workers that would take a request at once, look for one, or were just woken to do so. */
  parked(): number {
    const { ring } = this.#options;
    let count = 0;
    for (const link of this.#links) {
      if (link?.state !== 'serving') continue;
      const state = ring.state(link.index);
      if (state !== WORKER_STATE.running && state !== WORKER_STATE.closed) count += 1;
    }
    return count;
  }

  /** Wakes one worker for what waits in the ring, unless one looks for it or was woken and has not got round to it. */
  wakeOne(): void {
    const { ring } = this.#options;
    for (const link of this.#links) {
      if (link === null) continue;
      const state = ring.state(link.index);
      if (state === WORKER_STATE.woken || state === WORKER_STATE.spinning) return;
    }
    for (const link of this.#links) {
      if (link !== null && ring.wake(link.index)) return;
    }
  }

  /** `repliesMax`: of all workers together, though never less than one of each. */
  drainReplies(repliesMax: number): void {
    const ofEach = Math.max(1, Math.floor(repliesMax / this.#live));
    for (const link of this.#links) link?.drainReplies(ofEach);
  }

  get hasReplies(): boolean {
    return this.#links.some(link => link !== null && !link.replies.isEmpty);
  }

  /** Starts workers; resolves when each has bound its image or failed to, with the first failure. */
  async start(count: number): Promise<BindFailure | null> {
    if (this.#live + count > WORKERS_MAX)
      return { code: 'worker_failed', message: `A pool has ${WORKERS_MAX} workers at most.` };
    this.#pool ??= this.#options.standby.take(count);
    const pool = this.#pool;
    const binds = Array.from({ length: count }, () => this.#startOne(pool));
    const failures = await Promise.all(binds);
    return failures.find(failure => failure !== null) ?? null;
  }

  /** Lets workers go until `count` are left: idle ones at once, busy ones when they have nothing left to do. */
  shrinkTo(count: number): void {
    const { ring } = this.#options;
    const serving = [...this].filter(link => link.state === 'serving');
    const isParked = (link: WorkerLink): number => {
      const state = ring.state(link.index);
      return state === WORKER_STATE.parked || state === WORKER_STATE.spinning ? 1 : 0;
    };
    serving.sort((a, b) => isParked(b) - isParked(a));
    for (const link of serving.slice(0, Math.max(0, serving.length - count))) stop(link);
    this.#trim();
  }

  /** Tells every worker to finish what it has and unbind; resolves when all have. False: there are lost ones. */
  async stop(): Promise<boolean> {
    this.#closing = true;
    for (const link of this) stop(link);
    this.#endUnstarted();
    this.#lookForEnd();
    await this.#ended.promise;
    return this.live === 0;
  }

  /** The worker's call cannot be ended: another one takes its place. Should it come back after all, it stops. */
  lose(link: WorkerLink): void {
    if (this.#lost.has(link)) return;
    this.#lost.add(link);
    stop(link);
    this.keepsImage('a call cannot be ended');
    this.#options.onLost(link);
    this.#replace();
    this.#lookForEnd();
  }

  #lookForEnd(): void {
    if (this.#closing && this.usable === 0) this.#ended.resolve();
  }

  /** Tasks that no thread will take end with their pool; where there is one, it takes them when it is free. */
  #endUnstarted(): void {
    const pool = this.#pool;
    // A thread that may be loading something must not be ended.
    if (pool?.isBroken !== true || pool.threads > 0) return;
    this.#pool = null;
    this.#options.standby.discard(pool);
  }

  /** Gives the threads back; those that still run a serve task, or one that died, are not fit for standby. */
  close(): void {
    const { standby } = this.#options;
    if (this.#pool === null) return;
    if (this.live > 0 || this.#threadDied) standby.discard(this.#pool);
    else standby.release(this.#pool);
    this.#pool = null;
  }

  /** The guard could not unmap an image. */
  keepsImage(reason: string): void {
    this.#stillMapped = true;
    this.#options.events.suspect(reason);
  }

  async #startOne(pool: BlankPool): Promise<BindFailure | null> {
    const { ring, memory, listener, events, doorbell } = this.#options;
    const index = this.#freeIndex();
    const link = new WorkerLink(index, ring, new ReplyRing(memory.takeReplyRing()), listener);
    this.#links[index] = link;
    this.#live += 1;
    events.binding();
    const { task, transferList } = link.task(this.#image, doorbell);
    pool.run(task, transferList).then(
      result => this.#onTaskEnd(link, result as ServeResult),
      (error: unknown) => this.#onThreadDeath(link, error),
    );
    const whenStuckEnd = pool.onStuck(() => giveUpStart(link, 'A thread could not start.'));
    const failure = await firstBind(link);
    whenStuckEnd();
    events.bound();
    return failure;
  }

  #freeIndex(): number {
    const index = this.#links.findIndex(link => link === null);
    if (index !== -1) return index;
    if (this.#links.length === WORKERS_MAX) throw new RangeError(`A pool has at most ${WORKERS_MAX} workers.`);
    return this.#links.length;
  }

  #onTaskEnd(link: WorkerLink, result: ServeResult): void {
    const isMissed = this.#remove(link, result.kind === 'crashed' ? result.message : 'the worker was stopped');
    if (result.kind !== 'crashed') return this.#trimAfterShrink();
    this.#options.events.suspect(`a worker failed: ${result.message}`);
    if (isMissed) this.#replace();
  }

  #onThreadDeath(link: WorkerLink, error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#threadDied = true;
    const isMissed = this.#remove(link, message);
    if (link.slot !== null) this.keepsImage(`a worker thread ended with an image bound: ${message}`);
    if (isMissed) this.#replace();
  }

  #replace(): void {
    // Lost ones keep their places.
    if (this.#closing || this.#live >= WORKERS_MAX) return;
    if (this.#pool !== null) void this.#startReplacement(this.#pool);
  }

  async #startReplacement(pool: BlankPool): Promise<void> {
    const failure = await this.#startOne(pool);
    if (failure === null) this.#options.events.recycled('worker_died');
    else this.#options.events.bindFailed(failure);
  }

  /**
   * @returns whether another one should take its place. One that dies while binding would do so again and again, and a lost
   * one was replaced when it was lost.
   */
  #remove(link: WorkerLink, reason: string): boolean {
    // That its first image is bound may have been the last that it said.
    link.end();
    this.#options.memory.returnReplyRing(link.replies.memory);
    this.#links[link.index] = null;
    this.#live -= 1;
    link.firstBind.resolve({ code: 'worker_failed', message: reason });
    this.#options.onEnded(link);
    const wasLost = this.#lost.delete(link);
    this.#lookForEnd();
    return link.slot !== null && !wasLost;
  }

  #trimAfterShrink(): void {
    if (!this.#closing) this.#trim();
  }

  #trim(): void {
    void this.#pool?.trim(this.live);
  }
}

/** Piscina leaves a task in its queue for ever when the thread meant for it fails while it starts. */
async function firstBind(link: WorkerLink): Promise<BindFailure | null> {
  const timer = setTimeout(() => giveUpStart(link, `No thread within ${START_TIMEOUT_MS} ms.`), START_TIMEOUT_MS);
  try {
    return await link.firstBind.promise;
  } finally {
    clearTimeout(timer);
  }
}

/** Does nothing to a worker that has bound its image. */
function giveUpStart(link: WorkerLink, message: string): void {
  if (link.state !== 'binding') return;
  link.firstBind.resolve({ code: 'worker_failed', message });
  stop(link);
}

function stop(link: WorkerLink): void {
  if (link.state === 'stopping' || link.state === 'ended') return;
  link.post({ kind: 'stop' });
  link.state = 'stopping';
}
