/** What has to be true when nobody breaks or asks anything any more. */
import { eventually } from '../support/eventually.ts';
import { mappedImages, type ApiData, type RunningGateway } from '../support/gateway.ts';
import { ENDPOINTS, PARKED } from './endpoints.ts';
import { RECOVERY_MS } from './recovery.ts';
import type { World } from './world.ts';

/** Nothing is in flight, drains or is left over, and the program ends as it should. */
export async function comeToRest({ gateway, problem }: World): Promise<void> {
  await eventually('all is quiet', async () => (await gateway.must('GET', '/stats'))['in_flight'] === 0, RECOVERY_MS);
  await eventually('all drains are over', async () => noneDrains(gateway), RECOVERY_MS);
  await eventually('only serving generations are mapped', async () => onlyServingMapped(gateway), RECOVERY_MS);
  await eventually('what is to serve is loaded', async () => allLoaded(gateway), RECOVERY_MS);
  const status = await gateway.stop('SIGTERM');
  if (status !== 0) problem(`the program ended with ${status}`);
  if (gateway.stderr !== '') problem(`standard error says ${gateway.stderr.slice(0, 2_000)}`);
}

async function noneDrains(gateway: RunningGateway): Promise<true> {
  for (const { id } of ENDPOINTS) {
    const list = (await gateway.must('GET', `/endpoints/${id}/generations`)) as unknown as ApiData[];
    const open = list.filter(({ state }) => state === 'draining' || state === 'loading');
    if (open.length > 0) throw new Error(`${id} has ${JSON.stringify(open)}`);
  }
  return true;
}

async function onlyServingMapped(gateway: RunningGateway): Promise<boolean> {
  for (const { id } of ENDPOINTS) {
    const { generation } = await gateway.must('GET', `/endpoints/${id}`);
    for (const pid of await gateway.servingPids()) {
      const images = await mappedImages(pid, id);
      if (!images.every(image => image.includes(`.g${String(generation)}.`))) return false;
    }
  }
  return true;
}

async function allLoaded(gateway: RunningGateway): Promise<true> {
  for (const { id } of ENDPOINTS.filter(endpoint => endpoint.id !== PARKED)) {
    const { state, last_error: error } = await gateway.must('GET', `/endpoints/${id}`);
    if (state !== 'loaded') throw new Error(`${id} is ${String(state)}: ${JSON.stringify(error)}`);
  }
  return true;
}
