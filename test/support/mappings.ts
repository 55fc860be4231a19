/** What the kernel says of the memory of a process. */
import { readFileSync } from 'node:fs';

/** No-access bytes on both sides of a heap. */
const RED_ZONE_BYTES = 1 << 20;
const KIB = 1024;

/** Bytes in memory of the heaps of images in a process, each of `arenaBytes`; nothing else lies behind such a red zone. */
export function residentHeapBytes(arenaBytes: number, pid: number | 'self' = 'self'): number {
  const mappings = readFileSync(`/proc/${pid}/smaps`, 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  let resident = 0;
  let isBehindRedZone = false;
  for (const mapping of mappings) {
    const bytes = kibOf(mapping, 'Size') * KIB;
    if (isBehindRedZone && bytes === arenaBytes && mapping.includes(' rw-p ')) resident += kibOf(mapping, 'Rss') * KIB;
    isBehindRedZone = bytes >= RED_ZONE_BYTES && mapping.includes(' ---p ');
  }
  return resident;
}

function kibOf(mapping: string, field: string): number {
  return Number(new RegExp(`^${field}: +(\\d+) kB`, 'm').exec(mapping)?.[1] ?? 0);
}
