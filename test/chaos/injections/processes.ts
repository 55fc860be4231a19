/** Gateway processes that are killed, stop for a while, or hang. */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { eventually } from '../../support/eventually.ts';
import type { Action } from '../plan.ts';
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

async function pick(world: World, index: number): Promise<number | null> {
  const pids = (await world.gateway.servingPids()).filter(pid => !world.condemned.has(pid));
  return pids[index % pids.length] ?? null;
}

/** Stops a process, and notes down which connections go if it ends now; `survived` is for one that does not. */
async function stop(world: World, pid: number): Promise<{ survived(): void }> {
  world.condemned.add(pid);
  process.kill(pid, 'SIGSTOP');
  // While it is stopped it accepts nothing, so these are exactly the connections that it can take along.
  await eventually(`${pid} has stopped`, async () => /^State:\tT/m.test(await readFile(`/proc/${pid}/status`, 'utf8')));
  const { port } = new URL(world.gateway.url);
  return world.history.processEnds(await acceptedPorts(pid, Number(port)));
}

async function isReplaced(world: World, pid: number): Promise<boolean> {
  const pids = await world.gateway.servingPids();
  return pids.length >= world.processes && !pids.includes(pid);
}

export async function killProcess(world: World, { process: index }: Extract<Action, { kind: 'kill' }>): Promise<void> {
  const pid = await pick(world, index);
  if (pid === null) return world.count('kills that found no process');
  const start = world.history.shortage('start');
  await stop(world, pid);
  process.kill(pid, 'SIGKILL');
  await eventually('another process serves', async () => isReplaced(world, pid), 60_000);
  start.until = world.history.now();
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
  process.kill(pid, 'SIGCONT');
  const isBack = async (): Promise<boolean> => (await world.gateway.servingPids()).length >= world.processes;
  await eventually('all processes serve', isBack, 60_000);
  start.until = world.history.now();
  // It may have been given up meanwhile; if not, its end would be a surprise again.
  if (!(await world.gateway.servingPids()).includes(pid)) return world.count('frozen processes that were replaced');
  world.condemned.delete(pid);
  end.survived();
}

/** Stops a process for good: the supervisor has to find out. */
export async function hangProcess(world: World, { process: index }: Extract<Action, { kind: 'hang' }>): Promise<void> {
  const pid = await pick(world, index);
  if (pid === null) return world.count('hangs that found no process');
  const start = world.history.shortage('start');
  await stop(world, pid);
  await eventually('the hung process is replaced', async () => isReplaced(world, pid), 60_000);
  start.until = world.history.now();
}
