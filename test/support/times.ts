import type { Row } from '../../bench/report/table.ts';
import { percentile, rounded } from '../../bench/report/statistics.ts';

/** How long things took, and how many took longer than they should. For people: a test never asserts on time. */
export function timesRow(what: string, times: readonly number[], limitMs: number): Row {
  const milliseconds = (share: number): number => rounded(percentile(times, share), 1);
  return {
    what,
    count: times.length,
    'p50 ms': milliseconds(0.5),
    'p99 ms': milliseconds(0.99),
    'max ms': milliseconds(1),
    'limit ms': limitMs,
    late: times.filter(ms => ms > limitMs).length,
  };
}
