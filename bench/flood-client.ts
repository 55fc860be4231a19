/**
 * The flood of the fairness bench, in a process of its own: many connections that ask one path, each again as soon as it
 * is answered, together at most so often a second. Ends when its standard input does, and prints the answers by status.
 *
 *     node bench/flood-client.ts URL CONNECTIONS REQUESTS_PER_SECOND
 */
import { BenchConnection } from './load/connection.ts';

const PACE_MS = 2;

const [url = '', connections = '1', perSecond = '1'] = process.argv.slice(2);
const counts: Record<string, number> = {};
const idle = await Promise.all(Array.from({ length: Number(connections) }, () => BenchConnection.open(url)));
const startedMs = performance.now();
let sent = 0;
let missed = 0;

async function ask(connection: BenchConnection): Promise<void> {
  const status = await connection.ask();
  counts[status] = (counts[status] ?? 0) + 1;
  idle.push(connection);
  pace();
}

/** Sends what is due by now. What is due while every connection waits is not made up for later: it would come in a burst. */
function pace(): void {
  const due = Math.floor(((performance.now() - startedMs) * Number(perSecond)) / 1000);
  while (sent + missed < due) {
    const connection = idle.shift();
    if (connection === undefined) {
      missed = due - sent;
      return;
    }
    sent++;
    void ask(connection);
  }
}

setInterval(pace, PACE_MS);
process.stdin.on('end', () => {
  console.log(JSON.stringify({ seconds: (performance.now() - startedMs) / 1000, counts }));
  process.exit();
});
process.stdin.resume();
