/** Time as the data plane sees it; tests bring their own, so that none of them waits. */
export interface Clock {
  /** Milliseconds that only ever grow: for durations. */
  nowMs(): number;
  /** Milliseconds since 1970, UTC: for people. */
  wallMs(): number;
  /** Runs `action` once, after `delayMs`. A pending timer does not keep the process alive. */
  after(delayMs: number, action: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, action) {
    const timeout = setTimeout(action, delayMs).unref();
    return { cancel: () => clearTimeout(timeout) };
  },
};
