import { join } from 'node:path';
import { startProgram } from '../../harness/child-server.ts';
import type { Contestant } from '../contestant.ts';

export const nodeHttp: Contestant = {
  id: 'node-http',
  title: 'node:http',
  setUp: 'Bare `node:http` without a framework, on the same Node: what Hono and the gateway stand on.',
  install: async () => {},
  start: ({ many }) =>
    startProgram({
      command: process.execPath,
      args: [join(import.meta.dirname, 'server.ts')],
      environment: { MANY: String(many), NODE_ENV: 'production' },
    }),
};
