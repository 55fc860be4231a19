/** Processes that must not outlive the bench, also when it is broken off: some would run on as daemons. */
const alive = new Set<number>();

function endAll(): void {
  for (const pid of alive) {
    try {
      process.kill(pid, 'SIGTERM');
    } catch {
      // It has ended already.
    }
  }
}

process.on('exit', endAll);

/** Ends the process with the bench; what it gives is to be called when the process has ended before. */
export function endWithBench(pid: number): () => void {
  alive.add(pid);
  return () => alive.delete(pid);
}

/** A signal ends the bench by way of its exit handlers. */
export function endOnSignals(): void {
  process.once('SIGINT', () => process.exit(130));
  process.once('SIGTERM', () => process.exit(143));
}
