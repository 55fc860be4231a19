/**
 * What was done to the gateway and when: which generation an endpoint could serve, how long a request might take, what
 * was broken. The rules judge answers by it. Times are milliseconds of one clock.
 */
import type { PublicErrorCode } from '../../src/errors.ts';

/** What answers new requests of an endpoint: the text its code says; null: nothing, it is not deployed. */
export type Serving = string | null;

interface Change {
  readonly to: Serving;
  readonly begunAt: number;
  endedAt: number;
  outcome: 'pending' | 'done' | 'failed';
}

export interface PendingChange {
  done(): void;
  /** It did not happen: what it was to bring must never answer. */
  failed(): void;
}

/** What one endpoint served, change by change; one change at a time. */
class Serves {
  readonly #changes: Change[] = [];

  begin(to: Serving, now: () => number): PendingChange {
    const change: Change = { to, begunAt: now(), endedAt: Infinity, outcome: 'pending' };
    this.#changes.push(change);
    const end = (outcome: 'done' | 'failed'): void => {
      change.endedAt = now();
      change.outcome = outcome;
      if (outcome === 'failed') this.#changes.splice(this.#changes.indexOf(change), 1);
    };
    return { done: () => end('done'), failed: () => end('failed') };
  }

  /** Every text that may answer a request sent at `from` and answered at `until`. */
  during(from: number, until: number): Set<Serving> {
    const allowed = this.#changes.filter(({ begunAt }, index) => {
      const supersededAt = this.#changes[index + 1]?.endedAt ?? Infinity;
      return begunAt <= until && supersededAt >= from;
    });
    return new Set(allowed.map(change => change.to));
  }

  /** Whether what an answer of that time may say is not known yet. */
  openAt(time: number): boolean {
    const last = this.#changes.at(-1);
    return last !== undefined && last.outcome === 'pending' && last.begunAt <= time;
  }

  changedDuring(from: number, until: number): boolean {
    return this.#changes.some(({ begunAt, endedAt }) => begunAt <= until && endedAt >= from);
  }

  forgetBefore(time: number): void {
    while ((this.#changes[1]?.endedAt ?? Infinity) < time) this.#changes.shift();
  }
}

export interface Span {
  readonly from: number;
  /** Infinity while it lasts. */
  until: number;
}

const overlaps = (span: Span, from: number, until: number): boolean => span.from <= until && span.until >= from;

/** A fault that was asked for: from being sent to being answered. */
export interface FaultSpan extends Span {
  readonly code: PublicErrorCode;
}

/**
 * What the gateway has to do without; `start`: a process ends, and a new one binds everything;
 * `machine`: it stood still; `processors`: others had nearly all of them.
 */
export type Shortage = 'disk' | 'descriptors' | 'compiler' | 'bodies' | 'start' | 'machine' | 'processors';

/** A gateway process that was ended, and the clients' ports of the connections it had accepted; null: not known. */
interface DeadProcess {
  readonly at: number;
  readonly ports: ReadonlySet<number> | null;
  /** Where the ports are not known, connections may be lost so long before and after. */
  readonly withinMs: number;
}

/** The verdict on a lost connection waits for the news of its process's end. */
export const LOSS_NEWS_MS = 5_000;

/** Time a bind may take that fails just before the shortage ends, and the first pause after it. */
const BIND_AFTERMATH_MS = 3_000;

/** After this many milliseconds nothing that is judged can depend on an event. */
export const MEMORY_MS = 120_000;

export class History {
  readonly now: () => number;
  readonly #serves = new Map<string, Serves>();
  readonly #timeouts = new Map<string, (Span & { readonly timeoutMs: number })[]>();
  readonly #faults = new Map<string, FaultSpan[]>();
  readonly #rebinding = new Set<string>();
  readonly #shortages: (Span & { readonly kind: Shortage })[] = [];
  readonly #dead = new Set<DeadProcess>();

  constructor(now: () => number = () => performance.now()) {
    this.now = now;
  }

  /** From now on the endpoint may serve `to`; until the change is done, also what it served before. */
  change(endpoint: string, to: Serving): PendingChange {
    return this.#servesOf(endpoint).begin(to, this.now);
  }

  servedDuring(endpoint: string, from: number, until: number): Set<Serving> {
    return this.#servesOf(endpoint).during(from, until);
  }

  changedDuring(endpoint: string, from: number, until: number): boolean {
    return this.#servesOf(endpoint).changedDuring(from, until);
  }

  /** Whether an answer given at `time` has to wait for its verdict: a change that had begun by then is not over. */
  openAt(endpoint: string, time: number): boolean {
    return this.#servesOf(endpoint).openAt(time);
  }

  /** The timeout that is to be in force; it counts from now on, the one before until `ended` is called. */
  timeout(endpoint: string, timeoutMs: number): { ended(): void } {
    const all = this.#timeouts.get(endpoint) ?? [];
    const before = all.at(-1);
    all.push({ timeoutMs, from: this.now(), until: Infinity });
    this.#timeouts.set(endpoint, all);
    return {
      ended: () => {
        if (before !== undefined) before.until = this.now();
      },
    };
  }

  /** The shortest timeout a request of that time may have had. */
  shortestTimeoutMs(endpoint: string, from: number, until: number): number {
    const all = this.#timeouts.get(endpoint) ?? [];
    return Math.min(...all.filter(span => overlaps(span, from, until)).map(({ timeoutMs }) => timeoutMs));
  }

  fault(endpoint: string, code: PublicErrorCode): FaultSpan {
    const span: FaultSpan = { code, from: this.now(), until: Infinity };
    const all = this.#faults.get(endpoint) ?? [];
    all.push(span);
    this.#faults.set(endpoint, all);
    return span;
  }

  faultsDuring(endpoint: string, from: number, until: number): FaultSpan[] {
    return (this.#faults.get(endpoint) ?? []).filter(span => overlaps(span, from, until));
  }

  /** Something is short from now on, until the caller sets the end of the span. */
  shortage(kind: Shortage, from = this.now()): Span {
    const span = { kind, from, until: Infinity };
    this.#shortages.push(span);
    return span;
  }

  /** What was short is there again. The pauses between attempts to bind have grown to as much as it lasted. */
  isMended(shortage: Span): void {
    const now = this.now();
    shortage.until = now + (now - shortage.from) + BIND_AFTERMATH_MS;
  }

  isShort(kind: Shortage, from: number, until: number): boolean {
    return this.#shortages.some(span => span.kind === kind && overlaps(span, from, until));
  }

  /** Time limits may have passed because nothing got a processor. */
  isStarved(from: number, until: number): boolean {
    return this.isShort('machine', from, until) || this.isShort('processors', from, until);
  }

  /** The endpoint's images are bound again and again: after faults, after sleep, for another number of threads. */
  rebinds(endpoint: string): void {
    this.#rebinding.add(endpoint);
  }

  /**
   * Whether nothing of a deployed endpoint may have been loaded, for want of what binding an image takes. An endpoint
   * that is asked all the time needs that only in a process that takes over, or when the machine stood still for so long
   * that everything fell asleep.
   */
  mayFailToBind(endpoint: string, from: number, until: number): boolean {
    const isShort = (kind: Shortage): boolean => this.isShort(kind, from, until);
    const bindsAnew = this.#rebinding.has(endpoint) || isShort('start') || this.isStarved(from, until);
    return bindsAnew && (isShort('disk') || isShort('descriptors'));
  }

  /** From now on, connections from these ports may be lost: the process that had accepted them is being ended, or has been. */
  processEnds(ports: ReadonlySet<number>): { survived(): void } {
    const dead = { at: this.now(), ports, withinMs: 0 };
    this.#dead.add(dead);
    return { survived: () => void this.#dead.delete(dead) };
  }

  /** A process was found to have ended, and nobody has seen which connections it had. */
  processHasEnded(withinMs: number): void {
    this.#dead.add({ at: this.now(), ports: null, withinMs });
  }

  /** Whether a connection that was lost at `lostAt` had been accepted by a process that was ended before. */
  mayHaveLost(connection: { readonly openedAt: number; readonly localPort: number }, lostAt: number): boolean {
    return [...this.#dead].some(({ at, ports, withinMs }) => {
      if (ports === null) return connection.openedAt <= at && Math.abs(lostAt - at) <= withinMs;
      return ports.has(connection.localPort) && connection.openedAt <= at && at <= lostAt;
    });
  }

  /** Forgets what no verdict depends on any more. */
  forgetOld(): void {
    const time = this.now() - MEMORY_MS;
    const recent = (span: Span): boolean => span.until >= time;
    for (const serves of this.#serves.values()) serves.forgetBefore(time);
    for (const [endpoint, spans] of this.#timeouts) this.#timeouts.set(endpoint, spans.filter(recent));
    for (const [endpoint, spans] of this.#faults) this.#faults.set(endpoint, spans.filter(recent));
    this.#shortages.splice(0, this.#shortages.length, ...this.#shortages.filter(recent));
    for (const dead of this.#dead) if (dead.at < time) this.#dead.delete(dead);
  }

  #servesOf(endpoint: string): Serves {
    const serves = this.#serves.get(endpoint) ?? new Serves();
    this.#serves.set(endpoint, serves);
    return serves;
  }
}
