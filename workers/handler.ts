/** What runs in a handler thread: the tasks that Piscina gives it, one at a time. */
import process from 'node:process';
import type { ServeResult, ServeTask, WorkerTask } from '../src/protocol/worker.ts';
import { threadGuard } from './guard.ts';
import { ServeLoop } from './serve-loop.ts';

export default async function handle(task: WorkerTask): Promise<ServeResult | null> {
  if (task.kind === 'serve') return serve(task);
  if (task.kind === 'end') process.exit(0);
  threadGuard();
  return null;
}

/** Whatever happens, the thread is blank again after. */
async function serve(task: ServeTask): Promise<ServeResult> {
  const loop = new ServeLoop(task, threadGuard());
  try {
    await loop.run();
    loop.close(true);
    return { kind: 'ended' };
  } catch (error) {
    loop.close(false);
    return { kind: 'crashed', message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}
