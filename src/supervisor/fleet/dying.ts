import { readFileSync } from 'node:fs';

/** `PF_EXITING` of the kernel's task flags. */
const EXITING = 0x4;

/** Whether the process has begun to end; a busy machine may need seconds for the rest of it. One that is gone has. */
export function isDying(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // See proc_pid_stat(5): the name may hold anything but ends with the last bracket; then state, six ids, flags.
    const [, , , , , , flags] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(flags) & EXITING) !== 0;
  } catch {
    return true;
  }
}
