import { receiveMessageOnPort, type MessagePort } from 'node:worker_threads';
import { monotonicNowMs } from '../src/protocol/clock.ts';
import type { BindFailure } from '../src/protocol/control.ts';
import type { CancelReason } from '../src/protocol/frame.ts';
import { faultOf, type Fault } from '../src/protocol/guard.ts';
import type { MainToWorker, ServeTask, WorkerToMain } from '../src/protocol/worker.ts';
import { Calls, type OperationResult } from './calls.ts';
import type { ThreadGuard } from './guard.ts';
import type { ImageRequest } from './image-request.ts';
import { Images } from './images.ts';
import { LogBatch } from './log-batch.ts';
import { ReplySink } from './reply-sink.ts';
import { RequestSource } from './request-source.ts';
import { TrimSchedule } from './trim-schedule.ts';

/** Requests started and resumed before the event loop gets its turn: timers of suspended requests must not starve. */
const STEPS_PER_TURN = 64;

/** One worker at work: takes requests and host operations' results as they come, until it is told to stop. */
export class ServeLoop {
  readonly #port: MessagePort;
  readonly #guard: ThreadGuard;
  readonly #source: RequestSource;
  readonly #sink: ReplySink;
  readonly #images: Images;
  readonly #calls: Calls;
  readonly #logs: LogBatch;
  readonly #trims = new TrimSchedule();
  /** Wakes a worker that left its thread to the event loop for the next trim; it outlives rests that end before. */
  #trimTimer: NodeJS.Timeout | null = null;
  /** Results that no request was given yet, oldest first from `#resultsTaken` on. */
  #results: OperationResult[] = [];
  #resultsTaken = 0;
  /** Requests whose frames were too large for a slot: asked for, and come. */
  readonly #awaitedFrames = new Set<number>();
  readonly #frames: Buffer[] = [];
  #isStopping = false;
  /** Ends the rest that the worker takes now; a wait left over from an earlier one may call it too. */
  #endRest: () => void = () => {};
  readonly #onWake = (): void => this.#endRest();
  readonly #onTrimTimer = (): void => {
    this.#trimTimer = null;
    this.#endRest();
  };

  constructor(task: ServeTask, guard: ThreadGuard) {
    const { port } = task;
    this.#port = port;
    this.#guard = guard;
    this.#source = new RequestSource(task.ring, task.worker, task.doorbell);
    this.#sink = new ReplySink(task.replies, task.doorbell, port);
    this.#logs = new LogBatch({
      linesMax: guard.logLinesMax,
      send: (lines, dropped) => this.#post({ kind: 'log', lines, dropped }),
    });
    this.#images = new Images(guard, task.image, {
      recycled: reason => this.#post({ kind: 'recycled', reason }),
      ended: () => this.#logs.add(guard.takeLog(), null),
      stillMapped: () => this.#post({ kind: 'still_mapped' }),
      destructorFaulted: suspect =>
        this.#postFault(null, { ...faultOf('none'), suspect }, 'a thread-local destructor faulted'),
    });
    this.#calls = new Calls({
      guard,
      images: this.#images,
      sink: this.#sink,
      logs: this.#logs,
      trims: this.#trims,
      onFault: (request, fault) => this.#postFault(request, fault, null),
      onResult: result => {
        this.#results.push(result);
        this.#onWake();
      },
    });
  }

  /** Resolves when the worker was told to stop and has finished all it had, or could not bind an image. */
  async run(): Promise<void> {
    if (this.#ensureImage()) this.#post({ kind: 'bound', slot: this.#guard.slot });
    while (!this.#hasFinished) {
      if (!this.#work()) await this.#rest();
      else if (this.#images.hasSuspended) await eventLoopTurn();
    }
  }

  /** Unbinds every image; `clean` false: without running any of their code. */
  close(clean: boolean): void {
    if (this.#trimTimer !== null) clearTimeout(this.#trimTimer);
    this.#images.close(clean);
    this.#logs.close();
    this.#source.close();
    this.#port.close();
  }

  get #takesRequests(): boolean {
    return !this.#isStopping && this.#images.current !== null;
  }

  get #hasFinished(): boolean {
    return (
      this.#isStopping && !this.#images.hasSuspended && this.#awaitedFrames.size === 0 && this.#frames.length === 0
    );
  }

  /** Takes up to STEPS_PER_TURN steps; false: there was nothing to do. */
  #work(): boolean {
    let steps = 0;
    while (steps < STEPS_PER_TURN && this.#step()) steps += 1;
    return steps > 0;
  }

  /** Results and new requests in turn, so that neither starves the other. */
  #step(): boolean {
    if (this.#source.takeControlSignal()) this.#readPort();
    if (!this.#hasFinished) this.#ensureImage();
    const resumed = this.#resumeNext();
    return this.#startNext() || resumed;
  }

  #resumeNext(): boolean {
    const result = this.#results[this.#resultsTaken];
    if (result === undefined) {
      if (this.#resultsTaken > 0) this.#results = [];
      this.#resultsTaken = 0;
      return false;
    }
    this.#resultsTaken += 1;
    this.#calls.resume(result);
    return true;
  }

  #startNext(): boolean {
    const image = this.#images.current;
    if (image === null) return false;
    const whole = this.#frames.shift();
    if (whole !== undefined) {
      this.#calls.start(image, whole, whole.length);
      return true;
    }
    const slot = this.#isStopping ? -1 : this.#source.claim();
    if (slot === -1) return false;
    const frame = this.#source.frame(slot);
    const frameBytes = this.#source.frameBytes(slot);
    if (frameBytes === null) this.#askForFrame(frame.readUInt32LE(8));
    else this.#calls.start(image, frame, frameBytes);
    return true;
  }

  #askForFrame(request: number): void {
    this.#awaitedFrames.add(request);
    this.#post({ kind: 'frame_wanted', request });
  }

  /** Nothing to do: waits for the main thread, and for host operations if a request depends on one. */
  async #rest(): Promise<void> {
    this.#logs.flush();
    if (this.#hasFinished) return;
    const pauseMs = this.#isStopping ? Infinity : this.#images.msUntilBind;
    if (pauseMs === 0) return;
    const trimInMs = this.#trims.dueInMs(monotonicNowMs());
    // What came meanwhile is looked for again before the next rest.
    if (trimInMs === 0) return this.#trim();
    if (!this.#images.hasSuspended) return this.#source.block(this.#takesRequests, Math.min(pauseMs, trimInMs));
    return this.#leave(pauseMs, trimInMs);
  }

  async #leave(pauseMs: number, trimInMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#endRest = resolve;
    const pause = pauseMs === Infinity ? null : setTimeout(resolve, Math.ceil(pauseMs));
    if (trimInMs !== Infinity) this.#trimTimer ??= setTimeout(this.#onTrimTimer, trimInMs);
    await this.#source.leave(this.#takesRequests, promise, this.#onWake);
    if (pause !== null) clearTimeout(pause);
  }

  #trim(): void {
    for (const image of this.#images.all()) this.#calls.trim(image);
    this.#trims.noteTrim(monotonicNowMs());
  }

  /** Makes sure that there is an image, unless too many tainted ones hold requests; false: it cannot be bound. */
  #ensureImage(): boolean {
    if (this.#isStopping && this.#frames.length === 0) return true;
    const failure = this.#images.ensure();
    if (failure !== null) this.#giveUp(failure);
    return failure === null;
  }

  /** Without an image the worker ends; what it has claimed and not started goes back. */
  #giveUp(failure: BindFailure): void {
    this.#post({ kind: 'bind_failed', failure });
    this.#isStopping = true;
    for (const request of this.#awaitedFrames) this.#sink.returned(request);
    for (const frame of this.#frames.splice(0)) this.#sink.returned(frame.readUInt32LE(8));
    this.#awaitedFrames.clear();
  }

  #readPort(): void {
    for (let next = receiveMessageOnPort(this.#port); next !== undefined; next = receiveMessageOnPort(this.#port)) {
      this.#onMessage(next.message as MainToWorker);
    }
  }

  #onMessage(message: MainToWorker): void {
    switch (message.kind) {
      case 'cancel':
        for (const request of message.requests) this.#cancel(request, message.reason);
        return;
      case 'frame':
        if (this.#awaitedFrames.delete(message.request)) this.#frames.push(Buffer.from(message.frame));
        return;
      case 'deadlines':
        return this.#setDeadlines(message.deadlinesMs);
      case 'end_pauses':
        return this.#images.endPauses();
      case 'deployed':
        return this.#images.deployed();
      case 'stop':
        this.#images.endPauses();
        this.#isStopping = true;
    }
  }

  #cancel(number: number, reason: CancelReason): void {
    const image = this.#images.holding(number);
    const request = image?.suspended.get(number);
    if (image !== null && request !== undefined) return this.#calls.cancel(image, request, reason);
    const waiting = this.#frames.findIndex(frame => frame.readUInt32LE(8) === number);
    if (waiting !== -1) this.#frames.splice(waiting, 1);
    // Any other number: the request has ended, and the main thread will read so.
    if (waiting !== -1 || this.#awaitedFrames.delete(number)) this.#sink.dropped(number);
  }

  /** A request that is not among them came later, with the right one. */
  #setDeadlines(deadlinesMs: ReadonlyMap<number, number>): void {
    for (const request of this.#images.suspended()) {
      request.deadlineMs = deadlinesMs.get(request.number) ?? request.deadlineMs;
    }
    for (const frame of this.#frames) {
      const deadlineMs = deadlinesMs.get(frame.readUInt32LE(8));
      if (deadlineMs !== undefined) frame.writeDoubleLE(deadlineMs, 0);
    }
  }

  #postFault(request: ImageRequest | null, fault: Fault, message: string | null): void {
    this.#post({ kind: 'fault', requestId: request?.requestId ?? null, fault: { ...fault, message } });
  }

  #post(message: WorkerToMain): void {
    this.#port.postMessage(message);
  }
}

const eventLoopTurn = (): Promise<void> => new Promise(resolve => setImmediate(resolve));
