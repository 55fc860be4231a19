import { join } from 'node:path';
import { startProgram } from '../../harness/child-server.ts';
import { installPackages } from '../../harness/install.ts';
import type { Contestant } from '../contestant.ts';

export const bun: Contestant = {
  id: 'bun',
  title: 'Bun',
  setUp:
    'Bun from npm, `Bun.serve` with `routes`, as its documentation recommends since 1.2.3; NODE_ENV=production. One process.',
  install: async () => {
    await installPackages('bun');
  },
  start: async () =>
    startProgram({
      command: join(await installPackages('bun'), 'node_modules', '.bin', 'bun'),
      args: ['run', join(import.meta.dirname, 'server.ts')],
      environment: { NODE_ENV: 'production' },
    }),
};
