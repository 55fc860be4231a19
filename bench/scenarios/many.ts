/** What endpoints cost that nobody asks: ten hot ones among a thousand, and ten that are all there are. */
import { HELLO } from '../contestants/common/answers.ts';
import { LOAD_METRICS, measureLoad, type LoadScenario } from './load.ts';
import type { Scenario } from './scenario.ts';

const HOT = 10;
const MANY = 1_000;

const common = {
  title: '1,000 endpoints, 10 of them hot',
  about: '',
  answer: HELLO,
  connections: 32,
  rate: 2_000,
  // Those in which an endpoint is a route of its own.
  contestants: ['hono', 'gateway', 'node-http', 'axum'],
};
const amongMany: LoadScenario = {
  ...common,
  id: 'many',
  request: { path: '/many/{n}00', variety: HOT },
  site: { many: MANY },
};
const alone: LoadScenario = {
  ...common,
  id: 'few',
  request: { path: '/many/00{n}', variety: HOT },
  site: { many: HOT },
};

export const many: Scenario = {
  id: 'many',
  title: common.title,
  about: `${HOT} of ${MANY} endpoints are asked in turn, on ${common.connections} connections; the latencies at ${common.rate} requests/s. *Of 10* is the throughput by that with these ten alone, measured in the same round.`,
  reference: 'hono',
  contestants: common.contestants,
  metrics: [
    ...LOAD_METRICS,
    { id: 'few_requests_per_s', label: 'requests/s, 10 endpoints', better: 'higher', check: 'no' },
    { id: 'many_by_few', label: 'of 10', digits: 2, better: 'higher', check: 'itself' },
  ],
  async measure(contestant, amounts) {
    const few = await measureLoad(contestant, alone, amounts);
    const readings = await measureLoad(contestant, amongMany, amounts);
    const [rate = Number.NaN, fewRate = Number.NaN] = [readings['requests_per_s'], few['requests_per_s']];
    const errors = (readings['errors'] ?? 0) + (few['errors'] ?? 0);
    return { ...readings, errors, few_requests_per_s: fewRate, many_by_few: rate / fewRate };
  },
};
