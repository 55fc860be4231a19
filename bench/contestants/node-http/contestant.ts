import { startNodeServer } from '../../harness/child-server.ts';
import type { Contestant } from '../contestant.ts';

export const nodeHttp: Contestant = {
  id: 'node-http',
  title: 'node:http',
  setUp: 'Bare `node:http` without a framework, on the same Node: what Hono and the gateway stand on.',
  install: async () => {},
  start: ({ many }) => startNodeServer(import.meta.dirname, { MANY: String(many) }),
};
