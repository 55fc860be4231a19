/** What runs in a handler thread: the tasks that Piscina gives it, one at a time. */
import { flushCompileCache } from 'node:module';
import process from 'node:process';
import type { ServeResult, ServeTask, WarmTask, WorkerTask } from '../src/protocol/worker.ts';
import { collectGarbage } from './garbage.ts';
import { threadGuard } from './guard.ts';
import { ServeLoop } from './serve-loop.ts';

export default async function handle(task: WorkerTask): Promise<ServeResult | null> {
  if (task.kind === 'serve') {
    const result = await serve(task);
    // When Piscina has told the main thread of it.
    setImmediate(collectGarbage);
    return result;
  }
  if (task.kind === 'end') process.exit(0);
  await threadGuard();
  // Once all its modules are loaded; what is in the cache already costs nothing.
  flushCompileCache();
  awaitOthers(task);
  return null;
}

/** Longest wait for the other threads of a pool to begin: one may have failed. */
const OTHERS_WAIT_MS = 5_000;

function awaitOthers({ begun, threads }: WarmTask): void {
  const count = new Int32Array(begun);
  const before = Atomics.add(count, 0, 1);
  Atomics.notify(count, 0);
  const endMs = performance.now() + OTHERS_WAIT_MS;
  for (let now = before + 1; now < threads && performance.now() < endMs; now = Atomics.load(count, 0)) {
    Atomics.wait(count, 0, now, OTHERS_WAIT_MS);
  }
}

/** Whatever happens, the thread is blank again after. */
async function serve(task: ServeTask): Promise<ServeResult> {
  const loop = new ServeLoop(task, await threadGuard());
  try {
    await loop.run();
    loop.close(true);
    return { kind: 'ended' };
  } catch (error) {
    loop.close(false);
    return { kind: 'crashed', message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}
