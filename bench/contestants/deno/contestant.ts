import { join } from 'node:path';
import { startProgram } from '../../harness/child-server.ts';
import { installPackages } from '../../harness/install.ts';
import type { Contestant } from '../contestant.ts';

export const deno: Contestant = {
  id: 'deno',
  title: 'Deno',
  setUp:
    'Deno from npm, `Deno.serve` with one handler, as its manual shows; run with `--allow-net` alone. One process: `deno serve --parallel` would be several.',
  install: async () => {
    await installPackages('deno');
  },
  start: async () =>
    startProgram({
      command: join(await installPackages('deno'), 'node_modules', 'deno', 'deno'),
      // Without a configuration of its own it would take the project's package.json for its own.
      args: [
        'run',
        '--no-config',
        '--no-lock',
        '--node-modules-dir=none',
        '--allow-net',
        join(import.meta.dirname, 'server.ts'),
      ],
      environment: { DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1' },
    }),
};
