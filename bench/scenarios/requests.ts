/** The scenarios that differ only in what is asked. */
import { burn, HELLO } from '../contestants/common/answers.ts';
import { jsonOf } from '../load/request.ts';
import { loadScenario } from './load.ts';
import type { Scenario } from './scenario.ts';

const EVERYONE = ['hono', 'gateway', 'node-http', 'piscina', 'workerd', 'deno', 'bun', 'axum'];
const KIB = 1024;
const SMALL = jsonOf(KIB);
const LARGE = jsonOf(64 * KIB);
const HUGE = jsonOf(KIB * KIB);
const ORDER = '/users/4711/orders/a%20b?limit=20&sort=date';

export const REQUEST_SCENARIOS: readonly Scenario[] = [
  loadScenario({
    id: 'hello',
    title: 'hello',
    about: 'A text of 13 bytes.',
    request: { path: '/hello' },
    connections: 32,
    rate: 2_000,
    answer: HELLO,
    contestants: EVERYONE,
    alone: true,
  }),
  loadScenario({
    id: 'echo-1k',
    title: 'JSON echo, 1 KiB',
    about: 'The body is parsed and written again.',
    request: { path: '/echo', body: SMALL },
    connections: 32,
    rate: 1_500,
    answer: SMALL,
    contestants: EVERYONE,
  }),
  loadScenario({
    id: 'echo-64k',
    title: 'JSON echo, 64 KiB',
    about: 'The body is parsed and written again.',
    request: { path: '/echo', body: LARGE },
    connections: 32,
    rate: 200,
    answer: LARGE,
    contestants: EVERYONE,
  }),
  loadScenario({
    id: 'raw-64k',
    title: 'byte echo, 64 KiB',
    about: 'The body is sent back as it came.',
    request: { path: '/raw', body: LARGE },
    connections: 32,
    rate: 500,
    answer: LARGE,
    contestants: EVERYONE,
  }),
  loadScenario({
    id: 'parameters',
    title: 'path and query parameters',
    about: 'Two of each, one percent-encoded, answered as JSON.',
    request: { path: ORDER },
    connections: 32,
    rate: 2_000,
    answer: JSON.stringify({ user: '4711', order: 'a b', limit: '20', sort: 'date' }),
    contestants: EVERYONE,
  }),
  loadScenario({
    id: 'sleep',
    title: 'async sleep, 10 ms',
    about: 'The handler waits 10 ms; on the gateway it has one worker thread.',
    request: { path: '/sleep?ms=10' },
    connections: 256,
    rate: 2_000,
    answer: 'slept',
    contestants: EVERYONE,
  }),
  loadScenario({
    id: 'sleep-1000',
    title: 'async sleep, 50 ms, 1,000 connections',
    about: 'The handler waits 50 ms; on the gateway it has one worker thread.',
    request: { path: '/sleep?ms=50' },
    connections: 1_000,
    rate: 2_000,
    answer: 'slept',
    contestants: ['hono', 'gateway', 'node-http'],
  }),
  loadScenario({
    id: 'cpu',
    title: 'CPU-bound, about 1 ms',
    about: 'The same 500,000 steps of arithmetic everywhere.',
    request: { path: '/burn' },
    connections: 32,
    rate: 200,
    answer: burn(),
    contestants: EVERYONE,
  }),
  loadScenario({
    id: 'upload',
    title: '1 MiB upload',
    about: 'The answer is the length of the body.',
    request: { path: '/upload', body: HUGE },
    connections: 8,
    rate: 40,
    answer: String(KIB * KIB),
    contestants: EVERYONE,
  }),
];
