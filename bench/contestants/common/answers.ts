/** What the JavaScript contestants answer, so that they differ in the server only. */
export const HELLO = 'Hello, world!';
export const TEXT = 'text/plain; charset=utf-8';
/** 500,000 steps in all. */
const [BURN_PORTIONS, BURN_PORTION_STEPS] = [500, 1_000];

function advance(value: number, steps: number): number {
  let next = value;
  for (let step = 0; step < steps; step += 1) {
    next ^= next << 13;
    next ^= next >>> 17;
    next ^= next << 5;
  }
  return next;
}

/**
 * About a millisecond of arithmetic in which each step needs the one before, as in `gateway/burn.rs`. In portions: as one
 * long loop it took a server of Node's ten times as long, for V8 stayed with code that it had to leave at every call.
 */
export function burn(): string {
  let value = 1;
  for (let portion = 0; portion < BURN_PORTIONS; portion += 1) value = advance(value, BURN_PORTION_STEPS);
  return String(value >>> 0);
}

export const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

export const manyPaths = (count: number): string[] =>
  Array.from({ length: count }, (_, number) => `/many/${String(number).padStart(3, '0')}`);
