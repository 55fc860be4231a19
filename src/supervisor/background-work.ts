import type { Compiler } from '../build/compiler.ts';
import { findToolchain } from '../build/toolchain.ts';
import { AdminError } from '../errors.ts';
import type { Lifecycle } from '../lifecycle/lifecycle.ts';
import type { Logger } from '../observe/log.ts';
import type { BuildRecord, Store } from '../store/records.ts';
import { deployExample } from './example.ts';
import type { GuardSource } from './guard-source.ts';

export interface BackgroundParts {
  readonly store: Store;
  readonly compiler: Compiler;
  readonly lifecycle: Lifecycle;
  readonly guard: GuardSource;
  readonly log: Logger;
}

export interface BackgroundWork {
  /** The store was empty when the program started: somebody tries it for the first time. */
  readonly isNew: boolean;
  /** Builds for an older ABI. */
  readonly outdated: readonly BuildRecord[];
}

const EXAMPLE = { id: 'hello', file: new URL('../../handlers/hello.rs', import.meta.url) };

/** What goes on behind the ready line, one after the other: nothing that serves waits for it. Never rejects. */
export async function workInBackground(parts: BackgroundParts, work: BackgroundWork): Promise<void> {
  const { compiler, guard, log } = parts;
  await warnWithoutRust(log);
  await buildGuard(guard, log);
  if (work.isNew) await deployExample({ ...parts, ...EXAMPLE });
  for (const build of work.outdated) await rebuild(parts, build);
  await compiler.prime();
}

async function warnWithoutRust(log: Logger): Promise<void> {
  try {
    await findToolchain(process.env);
  } catch (error) {
    if (!(error instanceof AdminError)) throw error;
    log.warn({ event: error.code }, `${error.message} Until then, what is built already is served.`);
  }
}

/** Without the guard nothing can be loaded, but everything else works. Never rejects. */
export async function buildGuard(guard: GuardSource, log: Logger): Promise<void> {
  try {
    await guard.ensure();
  } catch (error) {
    const message = 'The guard library is not built, so no handler can be loaded; the next deploy tries again.';
    log.warn({ event: 'guard_missing', err: error }, message);
  }
}

async function rebuild({ lifecycle, log }: BackgroundParts, build: BuildRecord): Promise<void> {
  try {
    await lifecycle.rebuild(build);
  } catch (error) {
    const message = `${build.endpointId} cannot be built for this version of the gateway`;
    log.error({ event: 'rebuild_failed', endpoint: build.endpointId, err: error }, message);
  }
}
