import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { compileCacheVariables } from '../../protocol/compile-cache.ts';
import type { ControlCallName, ControlCalls, GatewayEvent, GatewayToSupervisor } from '../../protocol/control.ts';
import { keepInLine } from '../../protocol/niceness.ts';
import { ControlChannel } from './control-channel.ts';
import { excuseFor, processorWaitMs } from './processor-wait.ts';

/** How a process ended: its exit status, or the signal that killed it. */
export interface ProcessEnd {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface GatewayProcessOptions {
  /** What runs, with Node: `[src/main.ts, --gateway-process]`, or a stand-in in tests. */
  readonly command: readonly string[];
  readonly listeningFd: number;
  readonly flipPageFd: number;
  /** Where Node keeps compiled modules. */
  readonly compileCacheDir: string;
  readonly onEvent: (event: GatewayEvent) => void;
  /** At once when the process begins to die, or its channel is closed, whichever is seen first; `onEnd` follows. */
  readonly onLost: () => void;
  readonly onEnd: (end: ProcessEnd) => void;
}

/** Index in `stdio` of the socket that closes when the process begins to die: a process closes the others later. */
const LIFELINE_DESCRIPTOR = 5;

/**
 * The C library's allocator gives each thread memory of its own, up to eight times the number of processors, and what a
 * thread that ended had is seldom given back: 120 MB after sixty of them.
 */
const ALLOCATOR_VARIABLES = { MALLOC_ARENA_MAX: '2' };

/** Variables that gateway processes, and so handlers, may see: none of the gateway's settings, none of the host's secrets. */
export function gatewayEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const allowed = (name: string): boolean => /^(HANDLER_.*|TZ|LANG|LC_.*)$/.test(name);
  return Object.fromEntries(Object.entries(environment).filter(([name]) => allowed(name)));
}

/** One gateway process: its child, the calls to it, and what it tells. */
export class GatewayProcess {
  readonly pid: number;
  /** Resolves when the process is gone. */
  readonly ended: Promise<ProcessEnd>;
  readonly #child: ChildProcess;
  readonly #channel: ControlChannel;

  private constructor(child: ChildProcess, pid: number, options: GatewayProcessOptions) {
    this.#child = child;
    this.pid = pid;
    const send = (message: object): void => void child.send(message, () => {});
    this.#channel = new ControlChannel({ send, onEvent: options.onEvent });
    child.on('message', message => this.#channel.receive(message as GatewayToSupervisor));
    this.ended = this.#end(options);
  }

  /** The process has ended when it is gone and the last message it sent has been read. */
  async #end({ onLost, onEnd }: GatewayProcessOptions): Promise<ProcessEnd> {
    let isLost = false;
    const lose = (): void => {
      if (!isLost) onLost();
      isLost = true;
    };
    const lifeline = (this.#child.stdio as readonly unknown[])[LIFELINE_DESCRIPTOR] as Socket;
    // A reset is an end as well; "close" follows either.
    lifeline
      .on('error', () => {})
      .once('close', lose)
      .resume();
    this.#child.once('exit', lose);
    this.#child.once('disconnect', lose);
    const exited = once(this.#child, 'exit');
    const disconnected = once(this.#child, 'disconnect');
    const [status, signal] = (await exited) as [number | null, NodeJS.Signals | null];
    await disconnected;
    this.#channel.close();
    const end = { status, signal };
    onEnd(end);
    return end;
  }

  /** null: the operating system refuses another process. */
  static spawn(options: GatewayProcessOptions): GatewayProcess | null {
    const child = spawn(process.execPath, options.command, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', options.listeningFd, 'pipe', options.flipPageFd],
      serialization: 'advanced',
      env: {
        ...gatewayEnvironment(process.env),
        ...compileCacheVariables(options.compileCacheDir),
        ...ALLOCATOR_VARIABLES,
      },
    });
    child.on('error', () => {});
    if (child.pid === undefined) return null;
    keepInLine(child.pid);
    return new GatewayProcess(child, child.pid, options);
  }

  /** `timeoutMs` null: however long it takes. @throws CallFailed */
  async call<N extends ControlCallName>(
    kind: N,
    request: ControlCalls[N]['request'],
    timeoutMs: number | null = null,
  ): Promise<ControlCalls[N]['answer']> {
    return this.#channel.call(kind, request, timeoutMs);
  }

  /**
   * As `call`, but time in which the process waited for a processor does not count, up to `mostExcusedMs`: giving it up
   * would cost its requests, and the machine a start it has no time for. @throws CallFailed
   */
  async callExcused<N extends ControlCallName>(
    kind: N,
    request: ControlCalls[N]['request'],
    { timeoutMs, mostExcusedMs }: { readonly timeoutMs: number; readonly mostExcusedMs: number },
  ): Promise<ControlCalls[N]['answer']> {
    const excusedMs = excuseFor(() => processorWaitMs(this.pid), mostExcusedMs);
    return this.#channel.call(kind, request, timeoutMs, excusedMs);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
