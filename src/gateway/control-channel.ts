import type {
  ControlCallName,
  ControlCalls,
  GatewayEvent,
  GatewayToSupervisor,
  SupervisorToGateway,
} from '../protocol/control.ts';

/** What carries out the supervisor's calls: one function each. */
export type ControlHandlers = {
  readonly [N in ControlCallName]: (
    request: ControlCalls[N]['request'],
  ) => ControlCalls[N]['answer'] | Promise<ControlCalls[N]['answer']>;
};

/** The part of `process` that carries messages; tests bring their own. */
export interface MessageLink {
  readonly connected: boolean;
  send(message: GatewayToSupervisor, sent: () => void): void;
  onMessage(receive: (message: SupervisorToGateway) => void): void;
  onDisconnect(action: () => void): void;
}

/** Calls from the supervisor, their answers, and events to it. */
export class ControlChannel {
  readonly #link: MessageLink;

  constructor(link: MessageLink) {
    this.#link = link;
  }

  /**
   * Carries out calls with `handlers`; one whose handler returns no promise is answered before any other message is looked
   * at. `answered` is told when an answer was handed to the system.
   */
  serve(handlers: ControlHandlers, answered: (kind: ControlCallName) => void): void {
    this.#link.onMessage(message => void this.#dispatch(handlers, message).then(() => answered(message.kind)));
  }

  /** Resolves when the event was handed to the system; at once when nobody listens any more. */
  emit(event: GatewayEvent): Promise<void> {
    return this.#send(event);
  }

  #dispatch(handlers: ControlHandlers, message: SupervisorToGateway): Promise<void> {
    const { call, kind } = message;
    const handle = handlers[kind] as (request: SupervisorToGateway) => unknown;
    const succeed = (answer: unknown): Promise<void> => this.#send({ kind: 'answer', call, answer });
    const fail = (error: unknown): Promise<void> => {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      return this.#send({ kind: 'failed', call, message: text });
    };
    try {
      const answer = handle(message);
      return answer instanceof Promise ? answer.then(succeed, fail) : succeed(answer);
    } catch (error) {
      return fail(error);
    }
  }

  #send(message: GatewayToSupervisor): Promise<void> {
    return new Promise(resolve => {
      if (this.#link.connected) this.#link.send(message, resolve);
      else resolve();
    });
  }
}

/** The IPC channel this process was started with. @throws Error when there is none */
export function processLink(): MessageLink {
  if (process.send === undefined) throw new Error('A gateway process is started by the supervisor, not by hand.');
  return {
    get connected() {
      return process.connected;
    },
    // A message that cannot be sent has nobody to go to: the supervisor is gone, which `disconnect` tells too.
    send: (message, sent) => void process.send?.(message, () => sent()),
    onMessage: receive => void process.on('message', message => receive(message as SupervisorToGateway)),
    onDisconnect: action => void process.on('disconnect', action),
  };
}
