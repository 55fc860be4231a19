/**
 * Waits until `check` gives something other than undefined, false or a rejection, looking again every few milliseconds.
 * For conditions of another process that no event announces; the limit only bounds a failing test.
 */
export async function eventually<T>(
  what: string,
  check: () => T | Promise<T>,
  limitMs = 20_000,
): Promise<Exclude<T, undefined | false>> {
  const end = performance.now() + limitMs;
  let last: unknown;
  while (performance.now() < end) {
    try {
      const value = await check();
      if (value !== undefined && value !== false) return value as Exclude<T, undefined | false>;
      last = value;
    } catch (error) {
      last = error;
    }
    await new Promise(resolve => {
      setTimeout(resolve, 5);
    });
  }
  throw new Error(`not within ${limitMs} ms: ${what}`, { cause: last });
}
