/** A duration as it is shown: milliseconds, to the microsecond. */
export const roundedMs = (ms: number): number => Math.round(ms * 1_000) / 1_000;
