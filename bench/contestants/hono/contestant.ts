import { startNodeServer } from '../../harness/child-server.ts';
import type { Contestant } from '../contestant.ts';

export const hono: Contestant = {
  id: 'hono',
  title: 'Hono inline',
  setUp:
    'The reference: the Hono and @hono/node-server of the gateway, same versions and options, on the same Node; the answer is made by `c.body` in the route. One process, as the gateway has one main thread.',
  install: async () => {},
  start: ({ many }) => startNodeServer(import.meta.dirname, { MANY: String(many) }),
};
