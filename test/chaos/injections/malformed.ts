/** Requests that no well-behaved client sends. */
import { MALFORMED } from '../malformed-requests.ts';
import type { Action } from '../plan.ts';
import type { World } from '../world.ts';

export async function sendMalformed(world: World, { index }: Extract<Action, { kind: 'malformed' }>): Promise<void> {
  const malformed = MALFORMED[index];
  if (malformed === undefined) return;
  const { what, bytes, statuses } = malformed;
  const expected = { kind: 'refused', statuses } as const;
  const record = world.asking.enter({ endpoint: 'none', operation: what, path: '', expected });
  const connection = world.asking.connect();
  await world.asking.settle(record, connection, surplus => connection.exchange(Buffer.from(bytes, 'latin1'), surplus));
  connection.close();
}
