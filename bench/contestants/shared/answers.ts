/** What the JavaScript contestants answer, so that they differ in the server only. */
export const HELLO = 'Hello, world!';
export const TEXT = 'text/plain; charset=utf-8';
const BURN_STEPS = 700_000;

/** About a millisecond of arithmetic in which each step needs the one before, as in `gateway/burn.rs`. */
export function burn(): string {
  let value = 1;
  for (let step = 0; step < BURN_STEPS; step += 1) value = (Math.imul(value, 1_664_525) + 1_013_904_223) | 0;
  return String(value >>> 0);
}

export const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

export const manyPaths = (count: number): string[] =>
  Array.from({ length: count }, (_, number) => `/many/${String(number).padStart(3, '0')}`);
