/** What a process takes of the machine, as /proc tells. */
import { readdir, readFile } from 'node:fs/promises';

export interface Footprint {
  readonly memoryKib: number;
  readonly mappings: number;
  readonly threads: number;
  readonly descriptors: number;
}

export async function footprint(pid: number): Promise<Footprint> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const maps = await readFile(`/proc/${pid}/maps`, 'utf8');
  return {
    memoryKib: Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]),
    mappings: maps.split('\n').length - 1,
    threads: Number(/^Threads:\s+(\d+)/m.exec(status)?.[1]),
    descriptors: (await readdir(`/proc/${pid}/fd`)).length,
  };
}
