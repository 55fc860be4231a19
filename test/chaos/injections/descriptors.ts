/** Gateway processes that may open no further descriptor, while clients connect. */
import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Action } from '../plan.ts';
import type { World } from '../world.ts';

const run = promisify(execFile);

/** Connections that do nothing, to take what is left. */
const IDLE_CONNECTIONS = 40;

/** Lets a process have `spare` descriptors more than now; gives its limit back. null: the process has ended. */
async function limitDescriptors(pid: number, spare: number): Promise<(() => Promise<unknown>) | null> {
  try {
    const { stdout } = await run('prlimit', [`--pid=${pid}`, '--nofile', '--noheadings', '--output=SOFT']);
    const used = (await readdir(`/proc/${pid}/fd`)).length;
    await run('prlimit', [`--pid=${pid}`, `--nofile=${used + spare}:`]);
    return () => run('prlimit', [`--pid=${pid}`, `--nofile=${stdout.trim()}:`]).catch(() => null);
  } catch {
    return null;
  }
}

export async function exhaustDescriptors(
  world: World,
  { spare, ms }: Extract<Action, { kind: 'descriptors' }>,
): Promise<void> {
  const shortage = world.history.shortage('descriptors');
  const pids = await world.gateway.servingPids();
  const restore = await Promise.all(pids.map(async pid => limitDescriptors(pid, spare)));
  if (restore.every(one => one === null)) world.count('descriptors that could not be limited');
  const connections = Array.from({ length: IDLE_CONNECTIONS }, () => world.asking.connect());
  await pause(ms);
  await Promise.all(restore.map(async one => one?.()));
  for (const connection of connections) connection.close();
  world.history.isMended(shortage);
}
