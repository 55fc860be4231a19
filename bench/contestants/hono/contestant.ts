import { join } from 'node:path';
import { startProgram } from '../../harness/child-server.ts';
import type { Contestant } from '../contestant.ts';

export const hono: Contestant = {
  id: 'hono',
  title: 'Hono inline',
  setUp:
    'The reference: the Hono and @hono/node-server of the gateway, same versions and options, on the same Node; the answer is made by `c.body` in the route. One process, as the gateway has one main thread.',
  install: async () => {},
  start: ({ many }) =>
    startProgram({
      command: process.execPath,
      args: [join(import.meta.dirname, 'server.ts')],
      environment: { MANY: String(many), NODE_ENV: 'production' },
    }),
};
