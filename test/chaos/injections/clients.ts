/** Clients that are slow, leave too early, or do not wait for one answer before they send the next request. */
import { setTimeout as pause } from 'node:timers/promises';
import { echoQuestion, headOf, witnessQuestion } from '../asking.ts';
import type { ClientConnection, Received } from '../connection.ts';
import { ECHO, STEADY } from '../endpoints.ts';
import type { Action, OddClient } from '../plan.ts';
import type { World } from '../world.ts';

type OddAction = Extract<Action, { kind: 'client' }>;
type Client = (world: World, connection: ClientConnection, action: OddAction) => Promise<void>;

const PIECES = 10;
/** Larger than what the sockets' buffers hold. */
const LARGE_REPLY_BYTES = 8 << 20;

const CLIENTS: Readonly<Record<OddClient, Client>> = {
  async half_head(_world, connection, { ms }) {
    connection.socket.write(`GET /${STEADY} HTTP/1.1\r\nHost: cha`);
    await pause(ms);
  },

  async half_body(world, connection, { ms }) {
    const question = echoQuestion(ECHO, world.smallBody);
    const record = world.asking.enter(question);
    record.abandoned = true;
    connection.socket.write(headOf(question, record.requestId));
    connection.socket.write(world.smallBody.bytes.subarray(1));
    await pause(ms);
  },

  async leaves(world, connection, { endpoint, ms }) {
    const question = witnessQuestion(endpoint, 1_000);
    const record = world.asking.enter(question);
    record.abandoned = true;
    connection.socket.write(headOf(question, record.requestId));
    await pause(ms / 2);
  },

  async slow_sender(world, connection, { ms }) {
    const question = echoQuestion(ECHO, world.smallBody);
    const record = world.asking.enter(question);
    const { bytes } = world.smallBody;
    await world.asking.settle(record, connection, async surplus => {
      const answered = connection.response(surplus);
      connection.socket.write(headOf(question, record.requestId));
      const pieceBytes = Math.ceil(bytes.length / PIECES);
      for (let at = 0; at < bytes.length && connection.isOpen; at += pieceBytes) {
        connection.socket.write(bytes.subarray(at, at + pieceBytes));
        await pause(ms / PIECES);
      }
      return answered;
    });
  },

  async slow_reader(world, connection, { endpoint, ms }) {
    const path = `/${endpoint}?op=big&n=${LARGE_REPLY_BYTES}`;
    const expected = { kind: 'large', bytes: LARGE_REPLY_BYTES } as const;
    const question = { endpoint, operation: 'big', path, expected };
    const record = world.asking.enter(question);
    await world.asking.settle(record, connection, async surplus => {
      const answered = connection.exchange(headOf(question, record.requestId), surplus);
      connection.socket.pause();
      await pause(ms);
      connection.socket.resume();
      return answered;
    });
  },

  async pipelines(world, connection) {
    const questions = [witnessQuestion(STEADY, 20), witnessQuestion(STEADY)];
    const records = questions.map(question => world.asking.enter(question));
    const heads = questions.map((question, index) => headOf(question, records[index]?.requestId ?? ''));
    const [first, second] = records;
    if (first === undefined || second === undefined) return;
    const { promise: next, resolve } = Promise.withResolvers<Received>();
    await world.asking.settle(first, connection, () => connection.exchange(heads.join(''), resolve));
    // The second may have come together with the first.
    await world.asking.settle(second, connection, surplus => Promise.race([next, connection.response(surplus)]));
  },
};

export async function oddClient(world: World, action: OddAction): Promise<void> {
  const connection = world.asking.connect();
  await CLIENTS[action.odd](world, connection, action);
  connection.close();
}
