/** The real program in a child process, for tests and benches: its own data and handlers, one build directory for all. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { eventually } from './eventually.ts';
import { ROOT } from './source-tree.ts';

/** Compiled dependencies, shared by all tests: building them once takes longer than most tests. */
export const TEST_BUILD_DIR = join(ROOT, '.cache', 'test', 'build');

export interface LogLine {
  readonly level: string;
  readonly event?: string;
  readonly [field: string]: unknown;
}

export interface ApiAnswer {
  readonly status: number;
  readonly ok: boolean;
  readonly data: ApiData;
  readonly error: { readonly code: string; readonly message: string; readonly details: unknown };
}

/** Answers are read loosely: a test asserts on the fields it is about. */
export interface ApiData {
  readonly [field: string]: unknown;
}

export interface StartOptions {
  /** Settings without their prefix: `{ PROCESSES: '2' }`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** A folder of an earlier start: its `data` and `handlers` are used again. */
  readonly folder?: string;
  /** Further environment, for example PATH. */
  readonly environment?: Readonly<Record<string, string>>;
}

export interface EndpointOptions {
  readonly code: string;
  readonly path?: string;
  readonly method?: string;
  readonly [field: string]: unknown;
}

export class RunningGateway {
  readonly folder: string;
  readonly lines: LogLine[] = [];
  #child: ChildProcess;
  #exit: Promise<number | null>;
  #stderr = '';
  url = '';
  adminUrl = '';
  key = '';

  private constructor(folder: string, child: ChildProcess) {
    this.folder = folder;
    this.#child = child;
    this.#exit = once(child, 'exit').then(([code]) => code as number | null);
    child.stderr?.on('data', chunk => {
      this.#stderr += String(chunk);
    });
    if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', line => this.#read(line));
  }

  /** Starts the program and waits for its ready line; a program that ends before it rejects with what it printed. */
  static async start(options: StartOptions = {}): Promise<RunningGateway> {
    const gateway = await RunningGateway.launch(options);
    await gateway.ready();
    return gateway;
  }

  /** Starts the program without waiting for anything. */
  static async launch(options: StartOptions = {}): Promise<RunningGateway> {
    const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'edge-gateway-')));
    const settings: Record<string, string> = {
      HOST: '127.0.0.1',
      GATEWAY_PORT: '0',
      ADMIN_PORT: '0',
      DATA_DIR: join(folder, 'data'),
      HANDLERS_DIR: join(folder, 'handlers'),
      BUILD_DIR: TEST_BUILD_DIR,
      ...options.settings,
    };
    const environment = Object.fromEntries(
      Object.entries(settings).map(([name, value]) => [`RUST_EDGE_GATEWAY_${name}`, value]),
    );
    const child = spawn(process.execPath, [join(ROOT, 'src/main.ts')], {
      cwd: ROOT,
      env: { ...process.env, ...environment, ...options.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return new RunningGateway(folder, child);
  }

  async ready(): Promise<void> {
    const ended = this.#exit.then(code => {
      throw new Error(`the gateway ended with ${code} before it was ready:\n${this.#stderr}`);
    });
    const line = await Promise.race([this.log(line => line.event === 'ready', 60_000), ended]);
    this.url = String(line['gateway']);
    this.adminUrl = String(line['admin']);
    this.key = (await readFile(join(this.folder, 'data', 'admin.key'), 'utf8').catch(() => '')).trim();
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Leaves the log unread until `readLog`, so that its pipe fills up. */
  holdLog(): void {
    this.#child.stdout?.pause();
  }

  readLog(): void {
    this.#child.stdout?.resume();
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** The first log line, past or future, that matches. */
  log(matches: (line: LogLine) => boolean, limitMs?: number): Promise<LogLine> {
    return eventually('a log line', () => this.lines.find(matches), limitMs);
  }

  /** One call of the admin API, with the key. */
  async api(method: string, path: string, body?: unknown): Promise<ApiAnswer> {
    const response = await fetch(`${this.adminUrl}/api${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.key}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, ...((await response.json()) as Omit<ApiAnswer, 'status'>) };
  }

  /** Like `api`, and fails unless the call succeeded. Gives its data. */
  async must(method: string, path: string, body?: unknown): Promise<ApiData> {
    const answer = await this.api(method, path, body);
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.error)}`);
    return answer.data;
  }

  /** Creates, compiles and deploys an endpoint; its path is `/{id}` unless given. */
  async deploy(id: string, endpoint: EndpointOptions): Promise<ApiData> {
    await this.must('POST', '/endpoints', { id, name: id, path: `/${id}`, ...endpoint });
    return this.must('POST', `/endpoints/${id}/deploy`, { compile: true });
  }

  /** Saves new code and swaps it in. */
  async redeploy(id: string, code: string): Promise<ApiData> {
    await this.must('PUT', `/endpoints/${id}/code`, { code });
    return this.must('POST', `/endpoints/${id}/deploy`, { compile: true });
  }

  fetch(path: string, init?: RequestInit): Promise<Response> {
    return fetch(this.url + path, init);
  }

  async metrics(): Promise<string> {
    return (await fetch(`${this.adminUrl}/metrics`)).text();
  }

  /** Process ids of the gateway processes that serve. */
  servingPids(): Promise<number[]> {
    return this.pidsIn('serving');
  }

  /** Process ids of the gateway processes in a state of `/api/stats`. */
  async pidsIn(state: 'starting' | 'serving' | 'spare' | 'draining'): Promise<number[]> {
    const processes = (await this.must('GET', '/stats'))['processes'] as { pid: number; state: string }[];
    return processes.filter(one => one.state === state).map(one => one.pid);
  }

  /** Sends a signal and waits for the end; gives the exit status. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill(signal);
    return this.#exit;
  }

  exited(): Promise<number | null> {
    return this.#exit;
  }

  /** Ends the program and removes its folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  #read(line: string): void {
    try {
      this.lines.push(JSON.parse(line) as LogLine);
    } catch {
      this.lines.push({ level: 'unparsed', line });
    }
  }
}

/** Mapped images of an endpoint's generations in a process, as /proc/PID/maps names them. */
export async function mappedImages(pid: number, endpoint: string): Promise<string[]> {
  const name = `libhandler_${endpoint.replaceAll('-', '_')}.g`;
  const maps = await readFile(`/proc/${pid}/maps`, 'utf8');
  const paths = maps.split('\n').flatMap(line => (line.includes(name) ? [line.slice(line.indexOf(name))] : []));
  return [...new Set(paths)];
}
