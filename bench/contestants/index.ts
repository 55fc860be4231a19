import type { Contestant } from './contestant.ts';
import { gateway } from './gateway/contestant.ts';
import { hono } from './hono/contestant.ts';
import { nodeHttp } from './node-http/contestant.ts';

export const CONTESTANTS: readonly Contestant[] = [hono, gateway, nodeHttp];
