import { MessageChannel, receiveMessageOnPort, type MessagePort, type Transferable } from 'node:worker_threads';
import type { BindFailure } from '../protocol/control.ts';
import type { ImageSpec, MainToWorker, ServeTask, WorkerToMain } from '../protocol/worker.ts';
import type { OnRecord, ReplyRing } from './ring/reply-ring.ts';
import type { RequestRing } from './ring/request-ring.ts';

export type LinkState = 'binding' | 'serving' | 'stopping' | 'ended';

export interface LinkListener {
  record(link: WorkerLink, source: Buffer, offset: number): void;
  message(link: WorkerLink, message: WorkerToMain): void;
}

/** The main thread's end of one serve task: its reply ring and its port. */
export class WorkerLink {
  /** Index of the worker in the request ring. */
  readonly index: number;
  readonly replies: ReplyRing;
  state: LinkState = 'binding';
  /** The thread's number in the guard, once an image is bound. */
  slot: number | null = null;
  /** Resolves with the result of the first bind; the serve task's end settles it too. */
  readonly firstBind = Promise.withResolvers<BindFailure | null>();
  readonly #ring: RequestRing;
  readonly #listener: LinkListener;
  readonly #port: MessagePort;
  readonly #workerPort: MessagePort;
  readonly #onRecord: OnRecord;

  constructor(index: number, ring: RequestRing, replies: ReplyRing, listener: LinkListener) {
    this.index = index;
    this.replies = replies;
    this.#ring = ring;
    this.#listener = listener;
    this.#onRecord = (source, offset) => listener.record(this, source, offset);
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#workerPort = port2;
    port1.on('message', (message: WorkerToMain) => this.#onMessage(message));
    ring.openWorker(index);
  }

  /** The task to run, and what has to be transferred with it. */
  task(image: ImageSpec, doorbell: SharedArrayBuffer): { task: ServeTask; transferList: MessagePort[] } {
    const { memory } = this.replies;
    const port = this.#workerPort;
    const task: ServeTask = {
      kind: 'serve',
      worker: this.index,
      image,
      ring: this.#ring.memory,
      replies: memory,
      doorbell,
      port,
    };
    return { task, transferList: [port] };
  }

  post(message: MainToWorker, transferList: Transferable[] = []): void {
    if (this.state === 'ended') return;
    this.#port.postMessage(message, transferList);
    this.#ring.signalControl(this.index);
  }

  drainReplies(repliesMax = Infinity): void {
    this.replies.drain(this.#onRecord, repliesMax);
  }

  /** The serve task is over: handles what it still had to say. */
  end(): void {
    this.drainReplies();
    for (let left = receiveMessageOnPort(this.#port); left !== undefined; left = receiveMessageOnPort(this.#port)) {
      this.#onMessage(left.message as WorkerToMain);
    }
    this.state = 'ended';
    this.#port.close();
    this.#ring.closeWorker(this.index);
  }

  #onMessage(message: WorkerToMain): void {
    if (message.kind === 'record') {
      this.#listener.record(this, Buffer.from(message.record), 0);
    } else {
      this.#listener.message(this, message);
    }
  }
}
