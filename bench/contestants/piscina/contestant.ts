import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startNodeServer } from '../../harness/child-server.ts';
import { cacheFolder } from '../../harness/places.ts';
import type { Contestant } from '../contestant.ts';

const source = join(import.meta.dirname, 'endpoints.c');
const libraryPath = (): string => join(cacheFolder('piscina'), 'endpoints.so');

export const piscina: Contestant = {
  id: 'piscina',
  title: 'piscina.run + koffi',
  setUp:
    'What one builds first: Hono on the same server, each request one `piscina.run` with as many threads as cores, in the worker a native function called by koffi. `atomics: "async"`, so that a worker’s sleeps overlap, and `concurrentTasksPerWorker: 1000`. No guard, no swap. Its JSON echo is JavaScript’s in the worker.',
  install: async () => {
    await promisify(execFile)('cc', ['-std=c11', '-O2', '-shared', '-fPIC', source, '-o', libraryPath()]);
  },
  start: () => startNodeServer(import.meta.dirname, { LIBRARY: libraryPath() }),
};
