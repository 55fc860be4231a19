import { DURATION_BUCKETS_SECONDS, type Histogram } from '../protocol/control.ts';

/** Counts of one endpoint, over all its generations. They only grow; plain numbers, since requests touch them. */
export class EndpointCounters {
  /** Index 2 counts the 2xx, and so on. */
  readonly #requestsByClass = [0, 0, 0, 0, 0, 0];
  readonly #durationCounts: number[] = Array.from({ length: DURATION_BUCKETS_SECONDS.length + 1 }, () => 0);
  #durationSum = 0;
  readonly #faults = new Map<string, number>();
  readonly #recycled = new Map<string, number>();
  readonly #rejected = new Map<string, number>();
  #panics = 0;
  #logLinesDropped = 0;

  /** One request is over. `status` 499: its client left before the reply. */
  countRequest(status: number, durationMs: number): void {
    countClass(this.#requestsByClass, status);
    const seconds = durationMs / 1000;
    const found = DURATION_BUCKETS_SECONDS.findIndex(bound => seconds <= bound);
    const bucket = found === -1 ? DURATION_BUCKETS_SECONDS.length : found;
    this.#durationCounts[bucket] = (this.#durationCounts[bucket] ?? 0) + 1;
    this.#durationSum += seconds;
  }

  /** A panic is a fault of this kind, and counted a second time as what it is. */
  countFault(kind: string): void {
    increment(this.#faults, kind);
    if (kind === 'panic') this.#panics++;
  }

  countRecycled(reason: string): void {
    increment(this.#recycled, reason);
  }

  /** A request was turned away before it started, with this code. */
  countRejected(code: string): void {
    increment(this.#rejected, code);
  }

  countLogLinesDropped(lines: number): void {
    this.#logLinesDropped += lines;
  }

  snapshot(): {
    readonly requests: Readonly<Record<string, number>>;
    readonly panics: number;
    readonly faults: Readonly<Record<string, number>>;
    readonly recycled: Readonly<Record<string, number>>;
    readonly rejected: Readonly<Record<string, number>>;
    readonly logLinesDropped: number;
    readonly duration: Histogram;
  } {
    return {
      requests: classRecord(this.#requestsByClass),
      panics: this.#panics,
      faults: Object.fromEntries(this.#faults),
      recycled: Object.fromEntries(this.#recycled),
      rejected: Object.fromEntries(this.#rejected),
      logLinesDropped: this.#logLinesDropped,
      duration: { counts: [...this.#durationCounts], sum: this.#durationSum },
    };
  }
}

/** Counts a response under its status class; `counts` has an element for each first digit from 0 to 5. */
export function countClass(counts: number[], status: number): void {
  const digit = Math.floor(status / 100);
  counts[digit] = (counts[digit] ?? 0) + 1;
}

/** What `countClass` counted, as `{"2xx": n}`; classes that never occurred are left out. */
export function classRecord(counts: readonly number[]): Readonly<Record<string, number>> {
  return Object.fromEntries(
    counts.map((count, digit) => [`${digit}xx`, count] as const).filter(([, count]) => count > 0),
  );
}

function increment(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
