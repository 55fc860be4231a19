import type { ControlCallName, ControlCalls, GatewayEvent, GatewayToSupervisor } from '../../protocol/control.ts';

interface PendingCall {
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

/** Why a call to a gateway process has no answer. */
export class CallFailed extends Error {
  override readonly name = 'CallFailed';
  /** `timeout`: it may still come; `gone`: the process has ended; `fault`: the process could not do it. */
  readonly kind: 'timeout' | 'gone' | 'fault';

  constructor(kind: CallFailed['kind'], message: string) {
    super(message);
    this.kind = kind;
  }
}

/** Calls and answers over a message channel, matched by number; what is no answer goes to `onEvent`. */
export class ControlChannel {
  readonly #send: (message: object) => void;
  readonly #onEvent: (event: GatewayEvent) => void;
  readonly #pending = new Map<number, PendingCall>();
  #calls = 0;
  #closed = false;

  constructor(options: { send: (message: object) => void; onEvent: (event: GatewayEvent) => void }) {
    this.#send = options.send;
    this.#onEvent = options.onEvent;
  }

  /**
   * The message is sent before this returns its promise. When the time is up, `excusedMs` may grant more: it is asked
   * again when that is over, until it grants less than a millisecond. @throws CallFailed
   */
  async call<N extends ControlCallName>(
    kind: N,
    request: ControlCalls[N]['request'],
    timeoutMs: number | null,
    excusedMs: () => number = () => 0,
  ): Promise<ControlCalls[N]['answer']> {
    if (this.#closed) throw new CallFailed('gone', `the process ended before "${kind}"`);
    this.#calls += 1;
    const call = this.#calls;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#pending.set(call, { resolve, reject });
    const judge = (): void => {
      const moreMs = excusedMs();
      if (moreMs >= 1) timer = setTimeout(late, moreMs);
      else reject(new CallFailed('timeout', `no answer to "${kind}" within ${timeoutMs} ms`));
    };
    // When this process could not run for a while, the answer may have come long ago: messages are read after timers.
    const late = (): void => void setImmediate(() => this.#pending.has(call) && judge());
    let timer = timeoutMs === null ? undefined : setTimeout(late, timeoutMs);
    try {
      this.#send({ kind, call, ...request });
      return (await promise) as ControlCalls[N]['answer'];
    } finally {
      clearTimeout(timer);
      this.#pending.delete(call);
    }
  }

  receive(message: GatewayToSupervisor): void {
    if (message.kind === 'answer') this.#pending.get(message.call)?.resolve(message.answer);
    else if (message.kind === 'failed')
      this.#pending.get(message.call)?.reject(new CallFailed('fault', message.message));
    else this.#onEvent(message);
  }

  /** Nothing will be answered any more. */
  close(): void {
    this.#closed = true;
    for (const pending of this.#pending.values()) pending.reject(new CallFailed('gone', 'the process ended'));
  }
}
