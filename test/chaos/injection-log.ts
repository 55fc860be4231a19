import type { ActionKind, Injection } from './plan.ts';

export interface DoneInjection {
  readonly injection: Injection;
  readonly begunAt: number;
  /** null: it is not over. */
  endedAt: number | null;
}

/** What was injected: how often each kind, and the latest in full, so that a long run needs no more memory than a short one. */
export class InjectionLog {
  readonly counts = new Map<ActionKind, number>();
  readonly #now: () => number;
  #latest: DoneInjection[] = [];

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Notes down that it begins, and with the function it gives that it is over. */
  begin(injection: Injection): () => void {
    const { kind } = injection;
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    const done: DoneInjection = { injection, begunAt: this.#now(), endedAt: null };
    this.#latest.push(done);
    return () => {
      done.endedAt = this.#now();
    };
  }

  /** Those that were under way between the two times. */
  during(from: number, until: number): DoneInjection[] {
    return this.#latest.filter(({ begunAt, endedAt }) => begunAt <= until && (endedAt ?? Infinity) >= from);
  }

  forgetBefore(time: number): void {
    this.#latest = this.#latest.filter(({ endedAt }) => (endedAt ?? Infinity) >= time);
  }
}
