/** Memory of the supervisor and of this program over a run: neither may need more the longer it runs. */
import { readFile } from 'node:fs/promises';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';

export interface MemorySample {
  readonly at: number;
  readonly supervisorMb: number;
  readonly suiteMb: number;
}

const SAMPLE_MS = 5_000;

async function residentMb(pid: number): Promise<number> {
  const kilobytes = /^VmRSS:\s*(\d+)/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Math.round(Number(kilobytes) / 1024);
}

export async function sampleMemory(supervisor: number, now: () => number, stop: AbortSignal): Promise<MemorySample[]> {
  const samples: MemorySample[] = [];
  while (!stop.aborted) {
    const [supervisorMb, suiteMb] = await Promise.all([residentMb(supervisor), residentMb(process.pid)]);
    samples.push({ at: now(), supervisorMb, suiteMb });
    await pause(SAMPLE_MS, undefined, { signal: stop }).catch(() => undefined);
  }
  return samples;
}
