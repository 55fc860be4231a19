import { readFile } from 'node:fs/promises';
import { eventually } from './eventually.ts';
import type { RunningGateway } from './gateway.ts';

/** Process ids by what the processes are. */
export interface Places {
  readonly serving: number;
  readonly spare: number;
}

/** Waits until one process serves, one is a spare and there is no other. */
export async function settled(gateway: RunningGateway): Promise<Places> {
  return eventually('one serves, one is a spare', async () => {
    const processes = (await gateway.must('GET', '/stats'))['processes'] as { pid: number; state: string }[];
    const serving = processes.find(({ state }) => state === 'serving');
    const spare = processes.find(({ state }) => state === 'spare');
    if (serving === undefined || spare === undefined || processes.length !== 2) return false;
    return { serving: serving.pid, spare: spare.pid };
  });
}

/** Stops a process, and waits until its main thread has stopped: from then on it accepts no connection. */
export async function freeze(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  await eventually(`${pid} has stopped`, async () => /^State:\tT/m.test(await readFile(`/proc/${pid}/status`, 'utf8')));
}
