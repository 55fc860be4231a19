/**
 * Every setting, limit and default of the program, in one table, read and validated once at start.
 *
 * A setting is an environment variable `RUST_EDGE_GATEWAY_<NAME>`; every one but the admin key is also a flag,
 * `--<name>` in kebab case, which wins over the variable. An empty variable counts as not set.
 */
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import ipaddr from 'ipaddr.js';
import { EXIT_STATUS, StartupError } from './errors.ts';

export const ENVIRONMENT_PREFIX = 'RUST_EDGE_GATEWAY_';

/** How one setting is read: what is allowed in words, and a reader that gives `undefined` for anything else. */
interface Reader<T> {
  readonly allowed: string;
  read(text: string): T | undefined;
}

function number(min: number, max: number, options: { whole: boolean; unit?: string }): Reader<number> {
  const { whole, unit = '' } = options;
  return {
    allowed: `a ${whole ? 'whole ' : ''}number${unit} from ${min} to ${max}`,
    read(text) {
      const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
      return value >= min && value <= max && (!whole || Number.isInteger(value)) ? value : undefined;
    },
  };
}

const text = (allowed: string, pattern: RegExp): Reader<string> => ({
  allowed,
  read: value => (pattern.test(value) ? value : undefined),
});

const directory: Reader<string> = {
  allowed: 'a path',
  read: value => (value.includes('\0') ? undefined : resolve(value)),
};

const flag: Reader<boolean> = {
  allowed: 'on or off',
  read: value => ({ on: true, true: true, '1': true, off: false, false: false, '0': false })[value.toLowerCase()],
};

function oneOf<const T extends string>(values: readonly T[]): Reader<T> {
  return { allowed: `one of ${values.join(', ')}`, read: value => values.find(known => known === value) };
}

function list(allowed: string, valid: (item: string) => boolean): Reader<readonly string[]> {
  return {
    allowed: `a comma-separated list of ${allowed}`,
    read(value) {
      const items = value.split(',').map(item => item.trim());
      return items.every(valid) ? items : undefined;
    },
  };
}

const HOST_PATTERN = /^[A-Za-z0-9.:_[\]-]{1,253}$/;
const isAddressOrRange = (item: string): boolean => ipaddr.isValid(item) || ipaddr.isValidCIDR(item);
const port = number(0, 65_535, { whole: true });
const host = text('a host name or address', HOST_PATTERN);
const cores = availableParallelism();

/** Longest time any setting may ask for: a day. Node's timers end at 24.8 days. */
const SECONDS_MAX = 86_400;
const seconds = (min: number): Reader<number> => number(min, SECONDS_MAX, { whole: false, unit: ' of seconds' });
const megabytes = (max: number): Reader<number> => number(1, max, { whole: true, unit: ' of MiB' });

/** Most worker threads one pool can have: the request ring has room for so many. */
export const POOL_THREADS_MAX = 64;

interface Setting<T> {
  readonly reader: Reader<T>;
  readonly fallback: T;
  readonly meaning: string;
}

const setting = <T>(reader: Reader<T>, fallback: T, meaning: string): Setting<T> => ({ reader, fallback, meaning });

const SETTINGS = {
  HOST: setting(host, '0.0.0.0', 'address of the public listener'),
  GATEWAY_PORT: setting(port, 8080, 'port of the public listener; 0 = any free port'),
  ADMIN_HOST: setting(host, '127.0.0.1', 'address of the admin API and /metrics'),
  ADMIN_PORT: setting(port, 8081, 'port of the admin API and /metrics; 0 = any free port'),
  DATA_DIR: setting(directory, resolve('data'), 'database, artifacts, key file'),
  HANDLERS_DIR: setting(directory, resolve('handlers'), 'one Cargo project per endpoint'),
  BUILD_DIR: setting(directory, resolve('.cache'), 'what builds share; may be deleted at any time'),
  PROCESSES: setting(number(1, 64, { whole: true }), 1, 'gateway processes'),
  SPARE_PROCESSES: setting(
    number(0, 8, { whole: true }),
    1,
    'warm gateway processes, everything loaded, that take over when one ends',
  ),
  INTERRUPTS_MAX: setting(
    number(0, 1_000_000_000, { whole: true }),
    100_000,
    'interrupted calls after which a gateway process is replaced by a fresh one; 0 = any number',
  ),
  CRASH_LOOP_FAULTS: setting(
    number(0, 1_000_000, { whole: true }),
    20,
    'crashes of an endpoint in a row, no good answer between, that put it to error; 0 = never, and no back-off either',
  ),
  BAKE_SECS: setting(
    seconds(0),
    60,
    'after a deploy, an endpoint that comes into a crash loop within this time is rolled back; 0 = never',
  ),
  HANDLER_THREADS: setting(
    number(1, POOL_THREADS_MAX, { whole: true }),
    Math.min(cores, POOL_THREADS_MAX),
    'most worker threads of one generation',
  ),
  THREADS_MAX: setting(number(1, 240, { whole: true }), 64, 'most handler threads of one gateway process'),
  SLEEP_AFTER_SECS: setting(seconds(0), 600, 'an endpoint idle for so long sleeps; 0 = only for want of threads'),
  HANDLER_TIMEOUT_SECS: setting(seconds(0.005), 30, 'most a request may take'),
  DRAIN_TIMEOUT_SECS: setting(seconds(0), 30, 'most an old generation may take to finish its requests'),
  HANDLER_MAX_MEMORY_MB: setting(megabytes(65_536), 64, 'heap of one handler image'),
  MAX_BODY_MB: setting(megabytes(2_047), 10, 'largest request body'),
  BODIES_MAX_MB: setting(megabytes(1_048_576), 256, 'all request bodies held by one gateway process'),
  IN_FLIGHT_MAX: setting(
    number(1, 1_000_000, { whole: true }),
    10_000,
    'most requests started and not finished, per endpoint',
  ),
  CONNECTIONS_MAX: setting(
    number(1, 1_000_000, { whole: true }),
    10_000,
    'most client connections of one gateway process; further ones are closed at once',
  ),
  HEADERS_KB_MAX: setting(number(1, 1_024, { whole: true, unit: ' of KiB' }), 16, 'largest header block of a request'),
  HEADERS_TIMEOUT_SECS: setting(seconds(1), 20, 'most a client may take to send the headers of a request'),
  RECEIVE_TIMEOUT_SECS: setting(seconds(1), 300, 'most a client may take to send a whole request'),
  SEND_STALL_SECS: setting(seconds(1), 30, 'a client that takes nothing of its response for so long is disconnected'),
  KEEP_ALIVE_SECS: setting(seconds(1), 75, 'time an idle connection is kept open for its next request'),
  TRUSTED_PROXIES: setting(
    list('addresses or CIDR ranges', isAddressOrRange),
    [],
    'proxies whose X-Forwarded-* headers are believed',
  ),
  QUEUE_MAX: setting(number(0, 1_000_000, { whole: true }), 1024, 'most requests of one endpoint waiting to start'),
  COMPILE_CONCURRENCY: setting(
    number(1, 256, { whole: true }),
    Math.max(1, Math.floor(cores / 2)),
    'builds running at once, each in a build directory of its own (some 250 MB)',
  ),
  COMPILE_TIMEOUT_SECS: setting(seconds(1), 300, 'most one build may take'),
  ADMIN_ALLOWED_HOSTS: setting(
    list('host names', item => HOST_PATTERN.test(item)),
    [],
    'further Host names the admin port answers to',
  ),
  HANDLER_LOG_LINES_MAX: setting(
    number(0, 1_000_000, { whole: true }),
    1_000,
    'log lines a second that one worker thread may write; further ones are dropped and counted; 0 = any number',
  ),
  ACCESS_LOG: setting(flag, false, 'one log line per public request'),
  LOG_LEVEL: setting(
    oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
    'info',
    'least severe level that is logged',
  ),
} as const;

type SettingName = keyof typeof SETTINGS;
type ValueOf<N extends SettingName> = (typeof SETTINGS)[N] extends Setting<infer T> ? T : never;
type CamelCase<S extends string> = S extends `${infer Head}_${infer Tail}`
  ? `${Lowercase<Head>}${Capitalize<CamelCase<Tail>>}`
  : Lowercase<S>;

/** All settings under their camel-case names: `GATEWAY_PORT` is `gatewayPort`. */
export type Settings = {
  readonly [N in SettingName as CamelCase<N>]: ValueOf<N>;
} & {
  /** `null`: none was set, one is generated and kept in `DATA_DIR/admin.key`. */
  readonly adminApiKey: string | null;
};

/** What a command line asks for: to run with these settings, or to print something and end. */
export type Command =
  | {
      readonly kind: 'run';
      readonly settings: Settings;
      /** Variables with our prefix that are no setting: not an error (another version may know them), but worth a warning. */
      readonly unknownVariables: readonly string[];
    }
  | { readonly kind: 'print'; readonly text: string };

const names = Object.keys(SETTINGS) as SettingName[];
const flagName = (name: string): string => name.toLowerCase().replaceAll('_', '-');
const camelCase = (name: string): string =>
  name.toLowerCase().replaceAll(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase());

function refuse(message: string): never {
  throw new StartupError(message, EXIT_STATUS.config);
}

type SettingSource = { readonly label: string; readonly value: string };

function sourceOf(name: SettingName, flags: Record<string, unknown>, environment: NodeJS.ProcessEnv) {
  const fromFlag = flags[flagName(name)];
  if (typeof fromFlag === 'string') return { label: `--${flagName(name)}`, value: fromFlag };
  const variable = ENVIRONMENT_PREFIX + name;
  const value = environment[variable];
  return value === undefined || value === '' ? undefined : { label: variable, value };
}

function readSetting(name: SettingName, source: SettingSource | undefined): unknown {
  const { reader, fallback } = SETTINGS[name];
  if (source === undefined) return fallback;
  const value = reader.read(source.value.trim());
  if (value === undefined) refuse(`${source.label} is ${JSON.stringify(source.value)}; allowed is ${reader.allowed}.`);
  return value;
}

function readKey(environment: NodeJS.ProcessEnv): string | null {
  const variable = `${ENVIRONMENT_PREFIX}ADMIN_API_KEY`;
  const value = environment[variable];
  if (value === undefined || value === '') return null;
  // The value is a secret, so unlike for the other settings the message does not repeat it.
  if (!/^[\x21-\x7e]{16,512}$/.test(value)) refuse(`${variable} must be 16 to 512 visible ASCII characters.`);
  return value;
}

function unknownVariables(environment: NodeJS.ProcessEnv): readonly string[] {
  const known = new Set<string>([...names, 'ADMIN_API_KEY'].map(name => ENVIRONMENT_PREFIX + name));
  return Object.keys(environment).filter(name => name.startsWith(ENVIRONMENT_PREFIX) && !known.has(name));
}

function parseFlags(argv: readonly string[]): Record<string, unknown> {
  const options = Object.fromEntries(names.map(name => [flagName(name), { type: 'string' as const }]));
  try {
    const known = { ...options, help: { type: 'boolean' as const, short: 'h' }, version: { type: 'boolean' as const } };
    return parseArgs({ args: [...argv], options: known, allowPositionals: false }).values;
  } catch (error) {
    return refuse(`${(error as Error).message} Run "npm start -- --help" for the list of flags.`);
  }
}

function describe(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  return Array.isArray(value) ? value.join(',') || 'none' : String(value);
}

/** The help text: every flag with its meaning, what is allowed and the default. */
export function helpText(): string {
  const rows = names.map(name => {
    const { reader, fallback, meaning } = SETTINGS[name];
    return `  --${flagName(name).padEnd(24)} ${meaning}\n${' '.repeat(29)}${reader.allowed}; default ${describe(fallback)}`;
  });
  return [
    'Rust Edge Gateway: HTTP endpoints as small Rust functions, swapped while traffic flows.',
    '',
    'Usage: npm start -- [flags]',
    '',
    `Each flag is also an environment variable, for example ${ENVIRONMENT_PREFIX}GATEWAY_PORT for --gateway-port.`,
    `The admin key is read from ${ENVIRONMENT_PREFIX}ADMIN_API_KEY only; without it, one is generated.`,
    '',
    ...rows,
    '',
    '  --help, --version',
    '',
  ].join('\n');
}

/**
 * Reads the command line and the environment.
 * @throws StartupError with status 78 that names the setting, its value and what is allowed.
 */
export function readCommand(argv: readonly string[], environment: NodeJS.ProcessEnv, version: string): Command {
  const flags = parseFlags(argv);
  if (flags['help'] === true) return { kind: 'print', text: helpText() };
  if (flags['version'] === true) return { kind: 'print', text: `${version}\n` };
  const values = names.map(name => [camelCase(name), readSetting(name, sourceOf(name, flags, environment))]);
  const settings = { ...Object.fromEntries(values), adminApiKey: readKey(environment) } as Settings;
  return { kind: 'run', settings, unknownVariables: unknownVariables(environment) };
}

/** Limits that are not settings: nobody has needed to change them, but each has one place. */
export const LIMITS = {
  /** Generations per endpoint whose artifacts are kept for a rollback. */
  generationsKept: 10,
  /** Recent log lines kept per endpoint, in the supervisor's memory, and most bytes of them, about. */
  logLinesKept: 1_000,
  logLineBytesKept: 1024 * 1024,
  /** Log lines of the program that wait in memory because nobody reads its output; further ones are dropped. */
  logBytesWaitingMax: 1024 * 1024,
  /** Most that the end of the program waits for somebody to read the last log lines. */
  logFlushMs: 1_000,
  /** Largest body of an admin call; source code is the largest thing sent. */
  adminBodyBytesMax: 4 * 1024 * 1024,
  /** Waiting connections of the public socket, until a gateway process accepts them; the kernel caps it at somaxconn. */
  listenBacklog: 4_096,
  /** Time a taken port is retried at start: the processes of a predecessor may still be closing theirs. */
  portRetryMs: 2_000,
  /**
   * A gateway process that has not acknowledged a commit after so long is replaced. Time in which it was ready to run and
   * had no processor does not count, up to `unresponsiveMs`.
   */
  commitTimeoutMs: 1_000,
  /** A gateway process that has given no figures for so long hangs, and is replaced. */
  unresponsiveMs: 10_000,
  /** Builds that are loaded ahead of a likely deploy, over all endpoints, and how long each is kept for it. */
  preparedAheadMax: 4,
  preparedAheadMs: 60_000,
  /** Blank pools kept warm per gateway process. */
  standbyPools: 2,
  /**
   * How much nicer than the main thread of a gateway process its other threads are, and builds.
   *
   * Reason: handlers that burn take every core, and the main thread, which all other endpoints need too, waits for one; so
   * it does for V8's threads, which collect garbage beside it. Gain: beside an endpoint flooded with calls of 1 ms, the p99
   * of a quiet one was 1.5 times what it is alone in one run, against 2.7 times without; with most of the flood refused, 6
   * ms against 31 without it for V8's threads (`npm run bench:fairness`). Catch: where processors are short, a handler waits
   * for other programs, too: with a score of them ready to run, one connection got a third fewer answers a second, 32
   * connections as many as before.
   */
  workNiceness: 7,
  /**
   * How much less nice the supervisor is, where that is allowed (root, CAP_SYS_NICE). Reason: it is idle nearly always,
   * and when it is not, a deploy, a takeover or an answer to an operator waits for it. Gain: on two processors that 32
   * clients keep busy, a prepared swap takes 1.9 ms (p50) and 8 ms (p99), against 2.6 and 15 or more (`npm run
   * bench:swap`). Catch: reading the figures of thousands of endpoints goes before the requests of one main thread.
   */
  supervisorGoesFirstBy: 10,
  /** Native stack of a worker thread's guarded calls, in bytes. */
  handlerStackBytes: 1024 * 1024,
  /** Time limit of binding an image: generous, a loaded machine makes it slow. */
  bindTimeoutMs: 5_000,
  /** Largest table of a library's symbols, before it is compressed; hello's has 1 MB. */
  symbolTableBytesMax: 128 * 1024 * 1024,
  /** Builds whose symbols wait to be made, each holding its library of some MB; further ones go without. */
  symbolsWaitingMax: 32,
  /** Tables of symbols kept in the supervisor's memory, and most bytes of all; the newest is kept whatever its size. */
  symbolTablesKept: 16,
  symbolTableBytesKept: 64 * 1024 * 1024,
  /** A fault that waits so long for its table of symbols is told with offsets. */
  symbolsTimeoutMs: 1_000,
  /** Faults that wait for a table of symbols; further ones are told with offsets at once. */
  faultsWaitingMax: 1_000,
  /** Most frames of a backtrace, the innermost ones. */
  backtraceFramesMax: 64,
  /** A second signal sooner than this is taken for the same keystroke (npm and a terminal both deliver SIGINT). */
  secondSignalMs: 500,
} as const;
