import { Competition, TURN_SHARE } from '../pool/competition.ts';

type Action = () => void;

/** What one endpoint has to do. */
interface Line {
  /** Actions run in this turn. */
  count: number;
  readonly waiting: Action[];
  /** It is among the active ones. */
  isActive: boolean;
}

/**
 * Shares the main thread between endpoints, request by request: round robin over turns of the event loop.
 *
 * The loop reads every connection that has something before it comes back to the first one, so a flood of one endpoint's
 * connections would stand between any two looks at a quiet one's. Here each turn takes up a few requests of an endpoint,
 * and what is beyond waits. A connection sends nothing more until it is answered, so the next turn has no more to read
 * than this one has answered.
 */
export class FairTurns<Key extends object> {
  /** Kept as long as their keys: a Map from which they come and go is dear (see pool/requests/request-table.ts). */
  readonly #lines = new WeakMap<Key, Line>();
  /** Lines of which something ran in this turn, or waits. */
  #active: Line[] = [];
  /** Keys with actions that wait, in the order in which they get their turn. */
  readonly #waiting = new Set<Key>();
  readonly #competition = new Competition<Key>();
  readonly #soon: (action: Action) => void;
  #isScheduled = false;

  /** `soon` runs an action in the next turn of the event loop. */
  constructor(soon: (action: Action) => void = action => void setImmediate(action)) {
    this.#soon = soon;
  }

  /** Runs the action at once, or in a later turn when `key` has had its share of this one while others want theirs. */
  run(key: Key, nowMs: number, action: Action): void {
    this.#competition.see(key);
    const line = this.#lineOf(key);
    this.#activate(line);
    this.#schedule();
    const isFull = line.count >= TURN_SHARE && this.#competition.isOn(nowMs);
    if (line.waiting.length > 0 || isFull) {
      line.waiting.push(action);
      this.#waiting.add(key);
      return;
    }
    line.count += 1;
    action();
  }

  #lineOf(key: Key): Line {
    const known = this.#lines.get(key);
    if (known !== undefined) return known;
    const line: Line = { count: 0, waiting: [], isActive: false };
    this.#lines.set(key, line);
    return line;
  }

  #activate(line: Line): void {
    if (line.isActive) return;
    line.isActive = true;
    this.#active.push(line);
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#soon(this.#onTurn);
  }

  readonly #onTurn = (): void => {
    this.#isScheduled = false;
    for (const line of this.#active) {
      line.count = 0;
      line.isActive = line.waiting.length > 0;
    }
    this.#active = this.#active.filter(line => line.isActive);
    for (let left = TURN_SHARE; left > 0; left -= 1) this.#runNext();
    // Also to begin the lines that are left anew.
    if (this.#active.length > 0) this.#schedule();
  };

  #runNext(): void {
    const [key] = this.#waiting;
    if (key === undefined) return;
    const line = this.#lineOf(key);
    const action = line.waiting.shift();
    this.#waiting.delete(key);
    if (line.waiting.length > 0) this.#waiting.add(key);
    action?.();
  }
}
