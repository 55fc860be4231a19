/** Gateway processes that are killed, stop for a while, or hang. */
import { existsSync } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { eventually } from '../../support/eventually.ts';
import type { LogLine } from '../../support/gateway.ts';
import type { Action } from '../plan.ts';
import { RECOVERY_MS } from '../recovery.ts';
import type { World } from '../world.ts';

/** The clients' ports of the connections a process has accepted. */
export async function acceptedPorts(pid: number, serverPort: number): Promise<Set<number>> {
  const folder = `/proc/${pid}/fd`;
  const links = (await readdir(folder)).map(async name => readlink(join(folder, name)).catch(() => ''));
  const own = new Set((await Promise.all(links)).map(link => /^socket:\[(\d+)\]$/.exec(link)?.[1]));
  const ports = new Set<number>();
  for (const line of (await readFile('/proc/net/tcp', 'utf8')).split('\n').slice(1)) {
    const [, local = '', remote = '', , , , , , , inode] = line.trim().split(/\s+/);
    if (portOf(local) === serverPort && own.has(inode)) ports.add(portOf(remote));
  }
  return ports;
}

const portOf = (address: string): number => Number.parseInt(address.slice(address.indexOf(':') + 1), 16);

async function pick(world: World, index: number, state: 'serving' | 'spare' = 'serving'): Promise<number | null> {
  const pids = (await world.gateway.pidsIn(state)).filter(pid => !world.condemned.has(pid));
  return pids[index % pids.length] ?? null;
}

interface Stopped {
  /** For a process that does not end after all. */
  survived(): void;
}

/** Stops a process, and notes down which connections go if it ends now; null: it has ended by itself. */
async function stop(world: World, pid: number): Promise<Stopped | null> {
  const { port } = new URL(world.gateway.url);
  world.condemned.add(pid);
  try {
    process.kill(pid, 'SIGSTOP');
    await eventually(`${pid} has stopped`, async () => hasStopped(pid));
    // While it is stopped it accepts nothing, so these are exactly the connections that it can take along.
    return world.history.processEnds(await acceptedPorts(pid, Number(port)));
  } catch (error) {
    if (exists(pid)) throw error;
    world.condemned.delete(pid);
    return null;
  }
}

const exists = (pid: number): boolean => existsSync(`/proc/${pid}`);

async function hasStopped(pid: number): Promise<boolean> {
  return !exists(pid) || /^State:\tT/m.test(await readFile(`/proc/${pid}/status`, 'utf8'));
}

/** A process that is gone does no harm. */
function send(pid: number, signal: NodeJS.Signals): void {
  if (exists(pid)) process.kill(pid, signal);
}

async function areReplaced(world: World, ended: readonly number[]): Promise<boolean> {
  const pids = await world.gateway.pidsIn('serving');
  return pids.length >= world.processes && !pids.some(pid => ended.includes(pid));
}

/** Kills them all at once, and waits until others serve in their place. */
async function killAll(world: World, pids: readonly number[]): Promise<void> {
  const start = world.history.shortage('start');
  await Promise.all(pids.map(async pid => stop(world, pid)));
  for (const pid of pids) send(pid, 'SIGKILL');
  await eventually('other processes serve', async () => areReplaced(world, pids), RECOVERY_MS);
  start.until = world.history.now();
}

export async function killProcess(world: World, { process: index }: Extract<Action, { kind: 'kill' }>): Promise<void> {
  const [pid, spare] = [await pick(world, index), await pick(world, 0, 'spare')];
  if (pid === null) return world.count('kills that found no process');
  await killAll(world, [pid]);
  const tookOver = spare !== null && (await world.gateway.pidsIn('serving')).includes(spare);
  world.count(tookOver ? 'kills after which the spare took over' : 'kills after which a fresh process took over');
}

/** No client notices, unless the spare is promoted at that very moment; a new one comes. */
export async function killSpare(world: World): Promise<void> {
  const pid = await pick(world, 0, 'spare');
  if (pid === null) return world.count('kills that found no spare');
  await killAll(world, [pid]);
  await eventually('there is a spare again', async () => (await world.gateway.pidsIn('spare')).length > 0, RECOVERY_MS);
}

export async function killBoth(
  world: World,
  { process: index }: Extract<Action, { kind: 'kill_both' }>,
): Promise<void> {
  const pids = [await pick(world, index), await pick(world, 0, 'spare')].filter(pid => pid !== null);
  if (pids.length < 2) world.count('kills that found no spare');
  await killAll(world, pids);
}

/** The longest a process may stop before a deploy that waits for it has it replaced is a second. */
export async function freezeProcess(
  world: World,
  { process: index, ms }: Extract<Action, { kind: 'freeze' }>,
): Promise<void> {
  const pid = await pick(world, index);
  if (pid === null) return world.count('freezes that found no process');
  const start = world.history.shortage('start');
  const end = await stop(world, pid);
  await pause(ms);
  send(pid, 'SIGCONT');
  const isBack = async (): Promise<boolean> => areReplaced(world, []);
  await eventually('all processes serve', isBack, RECOVERY_MS);
  start.until = world.history.now();
  // If it was not, its end would be a surprise again.
  if (await wasGivenUp(world, pid)) return world.count('frozen processes that were given up');
  world.condemned.delete(pid);
  end?.survived();
}

/** It does not serve, and not because it drains: the log tells of that only when another has taken its place. */
async function wasGivenUp({ gateway }: World, pid: number): Promise<boolean> {
  const isDraining = ({ event, process: of, state }: LogLine): boolean =>
    event === 'process' && of === pid && state === 'draining';
  return !(await gateway.pidsIn('serving')).includes(pid) && !gateway.lines.some(isDraining);
}

/** Stops a process for good: the supervisor has to find out. */
export async function hangProcess(world: World, { process: index }: Extract<Action, { kind: 'hang' }>): Promise<void> {
  const pid = await pick(world, index);
  if (pid === null) return world.count('hangs that found no process');
  const start = world.history.shortage('start');
  await stop(world, pid);
  await eventually('the hung process is replaced', async () => areReplaced(world, [pid]), RECOVERY_MS);
  start.until = world.history.now();
}
