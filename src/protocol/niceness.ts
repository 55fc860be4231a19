import { getPriority, setPriority } from 'node:os';
import { LIMITS } from '../config.ts';

const NICENESS_MAX = 19;

/** What this process was started with. */
const given = getPriority();

/** For the supervisor: from now on it goes before all others, as far as the system allows. */
export function goFirst(): void {
  setNiceness(0, given - LIMITS.supervisorGoesFirstBy);
}

/** A child or a thread is to be as nice as this process was started, whatever that is now; by `more` nicer, if given. */
export function keepInLine(pid: number, more = 0): void {
  setNiceness(pid, Math.min(NICENESS_MAX, given + more));
}

function setNiceness(pid: number, niceness: number): void {
  try {
    setPriority(pid, niceness);
  } catch {
    // ESRCH: it has ended already. EACCES, EPERM: then it stays as it was.
  }
}
