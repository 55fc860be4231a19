/** Ring pools of real handlers, for tests. */
import { mkdtemp, rm } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { after } from 'node:test';
import { createPoolFactory, type PoolFactoryOptions } from '../../src/pool/factory.ts';
import type { HandlerPool, PoolFactory, PoolLimits } from '../../src/pool/handler-pool.ts';
import { guardLibrary, handlerLibrary } from '../support/handlers.ts';
import { RecordedEvents } from '../support/pool-events.ts';
import type { PoolUnderTest } from './conformance.ts';
import { LIMITS_FOR_TESTS } from './harness.ts';

// As in a gateway process: handlers do not see the developer's environment, in which std would print backtraces.
delete process.env['RUST_BACKTRACE'];

export interface RingPools {
  readonly factory: PoolFactory;
  readonly imagesDir: string;
  readonly make: (limits?: Partial<PoolLimits>, artifactPath?: string) => Promise<PoolUnderTest>;
}

/** A pool factory for one test file; ended after its tests. */
export async function ringPools(options: Partial<PoolFactoryOptions> = {}): Promise<RingPools> {
  const imagesDir = await mkdtemp(join(tmpdir(), 'images-'));
  const factory = createPoolFactory({
    guardPath: await guardLibrary(),
    imagesDir,
    arenaBytes: 64 << 20,
    standbyPools: 2,
    ...options,
  });
  const made: HandlerPool[] = [];
  after(async () => {
    // Those that a failed test left behind: their threads would keep the process alive.
    await Promise.all(made.map(pool => pool.retire(0)));
    await factory.close();
    await rm(imagesDir, { recursive: true });
  });
  let generation = 0;
  return {
    factory,
    imagesDir,
    async make(limits = {}, artifactPath) {
      generation += 1;
      const events = new RecordedEvents();
      const pool = factory.create({
        endpoint: 'kit',
        generation,
        ahead: false,
        artifactPath: artifactPath ?? (await handlerLibrary('kit')),
        limits: { ...LIMITS_FOR_TESTS, ...limits },
        events,
      });
      made.push(pool);
      return { pool, events };
    },
  };
}

/** Lines of this process's memory map that name an image in the folder. */
export function mappedImages(imagesDir: string): string[] {
  const lines = readFileSync('/proc/self/maps', 'utf8').split('\n');
  return lines.filter(line => line.includes(imagesDir));
}
