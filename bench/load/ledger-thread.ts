/** The asking thread of ledger.ts. */
import { workerData } from 'node:worker_threads';
import { VERSIONS } from '../contestants/contestant.ts';
import { BenchConnection } from './connection.ts';
import { PLACE } from './ledger.ts';

/** A client that gets no answer waits so long before it asks again, or a server that is away would be asked in a circle. */
const PAUSE_MS = 5;

const { url, clients, shared } = workerData as { url: string; clients: number; shared: Int32Array };

function couldBeLive(body: string, oldest: number, newest: number): boolean {
  for (let version = oldest; version <= newest; version += 1) if (body === String(version % VERSIONS)) return true;
  return false;
}

async function askOnce(connection: BenchConnection): Promise<void> {
  const oldest = Atomics.load(shared, PLACE.done);
  const { status, body } = await connection.ask();
  if (status !== 200) {
    Atomics.add(shared, status === 0 ? PLACE.unanswered : PLACE.failed, 1);
    await new Promise(resolve => setTimeout(resolve, PAUSE_MS));
  } else if (!couldBeLive(body, oldest, Atomics.load(shared, PLACE.begun))) {
    Atomics.add(shared, PLACE.stale, 1);
  }
  Atomics.add(shared, PLACE.finished, 1);
}

async function client(): Promise<void> {
  const connection = new BenchConnection(url);
  while (Atomics.load(shared, PLACE.stop) === 0) await askOnce(connection);
  connection.close();
}

for (let number = 0; number < clients; number += 1) void client();
