import { axum } from './axum/contestant.ts';
import { axumRestart } from './axum/swapped.ts';
import { bun } from './bun/contestant.ts';
import type { Contestant } from './contestant.ts';
import { deno } from './deno/contestant.ts';
import { gateway } from './gateway/contestant.ts';
import { hono } from './hono/contestant.ts';
import { nodeHttp } from './node-http/contestant.ts';
import { piscina } from './piscina/contestant.ts';
import { pm2 } from './pm2/contestant.ts';
import { watt } from './watt/contestant.ts';
import { workerd } from './workerd/contestant.ts';

/** All contestants, in the order in which they are shown. */
export const CONTESTANTS: readonly Contestant[] = [
  hono,
  gateway,
  nodeHttp,
  piscina,
  workerd,
  deno,
  bun,
  axum,
  axumRestart,
  pm2,
  watt,
];
