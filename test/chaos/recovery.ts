import { eventually } from '../support/eventually.ts';
import { codeOf, wasServed, witnessQuestion } from './asking.ts';
import { ENDPOINTS, PARKED } from './endpoints.ts';
import type { World } from './world.ts';

/** Only bounds a failing run: on a busy machine processes take their time to start. */
export const RECOVERY_MS = 180_000;
/** New connections are spread over the processes, so a few answers in a row speak for all. */
const ANSWERS_IN_A_ROW = 4;

/** Resolves when every endpoint that is to serve does. */
export async function allServe(world: World, endpoints = ENDPOINTS.filter(({ id }) => id !== PARKED)): Promise<void> {
  await Promise.all(
    endpoints.map(async ({ id }) => {
      let inARow = 0;
      await eventually(
        `${id} serves again`,
        async () => {
          const record = await world.asking.ask(witnessQuestion(id));
          // A short timeout says that the machine is busy, not that nothing serves.
          const serves = wasServed(record) || codeOf(record) === 'handler_timeout';
          inARow = serves ? inARow + 1 : 0;
          return inARow >= ANSWERS_IN_A_ROW;
        },
        RECOVERY_MS,
      );
    }),
  );
}
