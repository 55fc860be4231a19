import { startProgram } from '../../harness/child-server.ts';
import { buildProgram } from '../../harness/install.ts';
import type { Contestant } from '../contestant.ts';

export const axum: Contestant = {
  id: 'axum',
  title: 'axum',
  setUp:
    'The native limit: one binary with `axum::serve` on tokio’s multi-threaded runtime, as axum’s examples are, built with `--release`. No isolation, and a change means another program.',
  install: async () => {
    await buildProgram('bench-axum');
  },
  start: async ({ many }) =>
    startProgram({
      command: await buildProgram('bench-axum'),
      args: [],
      environment: { MANY: String(many) },
      hasMainThread: false,
    }),
};
