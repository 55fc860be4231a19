/**
 * What is done to the gateway and when: a pure function of the seed and the seconds. Every kind of injection draws from
 * a generator of its own, so that another kind, or another frequency of it, leaves the rest as it was.
 */
import { DENIED, ENDLESS, FAULTS, type Misdeed } from '../support/misdeeds.ts';
import { CRASHING, DROWSY, FAULTY, FORCED, HASTY, PARKED, RETIMED_TIMEOUTS_MS, SWAPPED } from './endpoints.ts';
import { MALFORMED } from './malformed-requests.ts';
import { Random } from './random.ts';

/** The witness in these handlers has a file open, and may close that. */
const REFUSED = DENIED.filter(op => op !== 'close');

/** Ways to break the compiler. */
export const BROKEN_COMPILERS = ['fails', 'hangs', 'killed', 'rubbish', 'silent'] as const;
export type BrokenCompiler = (typeof BROKEN_COMPILERS)[number];

/** Clients that are slow, leave, or send two requests at once. */
export const ODD_CLIENTS = ['half_head', 'half_body', 'leaves', 'slow_sender', 'slow_reader', 'pipelines'] as const;
export type OddClient = (typeof ODD_CLIENTS)[number];

export type Action =
  | { readonly kind: 'fault'; readonly endpoint: string; readonly misdeed: Misdeed; readonly keepAlive: boolean }
  | { readonly kind: 'endless'; readonly endpoint: string; readonly misdeed: Misdeed }
  | { readonly kind: 'denied'; readonly endpoint: string; readonly op: string }
  /** A fault in foreign code, for which the process is to be replaced. */
  | { readonly kind: 'suspect'; readonly endpoint: string }
  /** A new build, or `choice` among the ones before. */
  | { readonly kind: 'redeploy'; readonly endpoint: string }
  | { readonly kind: 'rollback'; readonly endpoint: string; readonly choice: number }
  | { readonly kind: 'undeploy'; readonly endpoint: string; readonly pauseMs: number }
  | { readonly kind: 'wake'; readonly endpoint: string; readonly requests: number; readonly swap: boolean }
  | { readonly kind: 'limits'; readonly timeoutMs: number; readonly threads: number }
  /** `process`: which of those that serve, counted round. */
  | { readonly kind: 'kill'; readonly process: number }
  | { readonly kind: 'kill_spare' }
  /** A process that serves and the spare, at once. */
  | { readonly kind: 'kill_both'; readonly process: number }
  | { readonly kind: 'freeze'; readonly process: number; readonly ms: number }
  | { readonly kind: 'hang'; readonly process: number }
  | { readonly kind: 'disk'; readonly ms: number }
  | { readonly kind: 'compiler'; readonly broken: BrokenCompiler; readonly endpoint: string }
  | { readonly kind: 'descriptors'; readonly spare: number; readonly ms: number }
  | { readonly kind: 'heaps'; readonly requests: number }
  | { readonly kind: 'bodies'; readonly requests: number }
  /** `endpoint`: one that does wrong, for the clients that ask such. */
  | { readonly kind: 'client'; readonly odd: OddClient; readonly endpoint: string; readonly ms: number }
  | { readonly kind: 'malformed'; readonly index: number };

export type ActionKind = Action['kind'];
export type Injection = Action & { readonly atMs: number };

interface Stream {
  /** Mean time between two of them. */
  readonly everyMs: number;
  /** Nothing of the kind is begun so shortly before the end that it could not finish. */
  readonly lastsMs: number;
  readonly draw: (random: Random, index: number) => Action;
}

/** Faults come in rounds of all kinds, so that a short run has had each. */
function inRounds<T>(all: readonly T[], index: number): T {
  const one = all[index % all.length];
  if (one === undefined) throw new Error('There is nothing to go round.');
  return one;
}

const STREAMS: { readonly [K in ActionKind]: Stream } = {
  fault: {
    everyMs: 60,
    lastsMs: 1_000,
    draw: (random, index) => ({
      kind: 'fault',
      endpoint: random.pick(FAULTY),
      misdeed: inRounds(FAULTS, index),
      keepAlive: random.chance(0.5),
    }),
  },
  endless: {
    everyMs: 600,
    lastsMs: 1_000,
    draw: (random, index) => ({ kind: 'endless', endpoint: random.pick(HASTY), misdeed: inRounds(ENDLESS, index) }),
  },
  denied: {
    everyMs: 1_000,
    lastsMs: 1_000,
    draw: random => ({ kind: 'denied', endpoint: random.pick(FAULTY), op: random.pick(REFUSED) }),
  },
  suspect: {
    everyMs: 12_000,
    lastsMs: 4_000,
    draw: random => ({ kind: 'suspect', endpoint: random.pick(CRASHING) }),
  },
  redeploy: {
    everyMs: 8_000,
    lastsMs: 5_000,
    draw: random => ({ kind: 'redeploy', endpoint: random.pick([...SWAPPED, ...FAULTY]) }),
  },
  rollback: {
    everyMs: 700,
    lastsMs: 1_000,
    draw: random => ({
      kind: 'rollback',
      endpoint: random.pick([...SWAPPED, ...SWAPPED, FORCED, ...FAULTY]),
      choice: random.whole(0, 1_000),
    }),
  },
  undeploy: {
    everyMs: 3_000,
    lastsMs: 2_000,
    draw: random => ({ kind: 'undeploy', endpoint: PARKED, pauseMs: random.whole(0, 500) }),
  },
  wake: {
    everyMs: 2_500,
    lastsMs: 1_000,
    draw: random => ({
      kind: 'wake',
      endpoint: random.pick(DROWSY),
      requests: random.whole(1, 20),
      swap: random.chance(0.3),
    }),
  },
  limits: {
    everyMs: 2_000,
    lastsMs: 1_000,
    draw: random => ({ kind: 'limits', timeoutMs: random.pick(RETIMED_TIMEOUTS_MS), threads: random.whole(1, 2) }),
  },
  kill: { everyMs: 9_000, lastsMs: 3_000, draw: random => ({ kind: 'kill', process: random.whole(0, 7) }) },
  kill_spare: { everyMs: 18_000, lastsMs: 3_000, draw: () => ({ kind: 'kill_spare' }) },
  kill_both: {
    everyMs: 25_000,
    lastsMs: 5_000,
    draw: random => ({ kind: 'kill_both', process: random.whole(0, 7) }),
  },
  freeze: {
    everyMs: 9_000,
    lastsMs: 3_000,
    draw: random => ({ kind: 'freeze', process: random.whole(0, 7), ms: random.whole(20, 600) }),
  },
  hang: { everyMs: 45_000, lastsMs: 14_000, draw: random => ({ kind: 'hang', process: random.whole(0, 7) }) },
  disk: { everyMs: 15_000, lastsMs: 8_000, draw: random => ({ kind: 'disk', ms: random.whole(300, 3_000) }) },
  compiler: {
    everyMs: 10_000,
    lastsMs: 22_000,
    draw: (random, index) => ({
      kind: 'compiler',
      broken: inRounds(BROKEN_COMPILERS, index),
      endpoint: random.pick(SWAPPED),
    }),
  },
  descriptors: {
    everyMs: 15_000,
    lastsMs: 8_000,
    draw: random => ({ kind: 'descriptors', spare: random.whole(0, 8), ms: random.whole(300, 2_000) }),
  },
  heaps: { everyMs: 6_000, lastsMs: 2_000, draw: random => ({ kind: 'heaps', requests: random.whole(2, 6) }) },
  bodies: { everyMs: 6_000, lastsMs: 2_000, draw: random => ({ kind: 'bodies', requests: random.whole(8, 40) }) },
  client: {
    everyMs: 500,
    lastsMs: 3_000,
    draw: (random, index) => ({
      kind: 'client',
      odd: inRounds(ODD_CLIENTS, index),
      endpoint: random.pick(FAULTY),
      ms: random.whole(0, 1_500),
    }),
  },
  malformed: {
    everyMs: 400,
    lastsMs: 1_000,
    draw: (_random, index) => ({ kind: 'malformed', index: index % MALFORMED.length }),
  },
};

export const ACTION_KINDS = Object.keys(STREAMS) as ActionKind[];

/** One kind's injections: the first soon, so that every run that is long enough has one; then as they fall. */
function drawStream(kind: ActionKind, seed: number, endMs: number): Injection[] {
  const { everyMs, lastsMs, draw } = STREAMS[kind];
  const random = new Random(seed).fork(kind);
  const lastMs = endMs - lastsMs;
  const injections: Injection[] = [];
  const firstMs = Math.min(everyMs, lastMs / 2) * random.next();
  for (let atMs = firstMs; atMs <= lastMs; atMs += everyMs * (0.5 + random.next())) {
    injections.push({ ...draw(random, injections.length), atMs: Math.round(atMs) });
  }
  return injections;
}

/** The injections of a run in the order of their times; `kinds`: only these. */
export function drawPlan(seed: number, seconds: number, kinds: readonly ActionKind[] = ACTION_KINDS): Injection[] {
  return kinds
    .flatMap(kind => drawStream(kind, seed, seconds * 1_000))
    .toSorted((a, b) => a.atMs - b.atMs || ACTION_KINDS.indexOf(a.kind) - ACTION_KINDS.indexOf(b.kind));
}
