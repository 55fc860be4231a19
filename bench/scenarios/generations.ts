/** Ten thousand generations under load: a ledger of a million requests, memory, and what is left mapped. */
import { mappedImages } from '../../test/support/gateway.ts';
import type { Contestant } from '../contestants/contestant.ts';
import { ENDPOINT, startSwappedGateway } from '../contestants/gateway/swapped.ts';
import { memoryMb } from '../harness/processes.ts';
import type { Amounts, Readings, Scenario } from './scenario.ts';
import { LEDGER_METRICS, swapUnderLoad } from './swap.ts';

const SWAPS = 10_000;
const CLIENTS = 32;
/** A hundred requests a swap are a million in all. */
const REQUESTS_BETWEEN = 100;
const SECONDS_MAX = 3_600;
/** Time for the last generations to drain. */
const SETTLE_MS = 3_000;

async function measure(_contestant: Contestant, amounts: Amounts): Promise<Readings> {
  const swaps = amounts.swaps ?? SWAPS;
  const server = await startSwappedGateway();
  try {
    const [pid = 0] = await server.mainThreads();
    const early = Math.max(1, Math.floor(swaps / 10));
    let earlyMb = Number.NaN;
    const readings = await swapUnderLoad(server, {
      clients: amounts.clients ?? CLIENTS,
      swaps,
      secondsMax: SECONDS_MAX,
      requestsBetween: REQUESTS_BETWEEN,
      afterSwap(done) {
        if (done === early) earlyMb = memoryMb([pid]);
      },
    });
    await new Promise(resolve => setTimeout(resolve, SETTLE_MS));
    const newest = `.g${(readings['swaps'] ?? 0) + 3}.`;
    const images = await mappedImages(pid, ENDPOINT);
    const [servingNow] = await server.mainThreads();
    if (servingNow !== pid) throw new Error('the gateway process was replaced');
    const endMb = memoryMb([pid]);
    return {
      ...readings,
      early_mb: earlyMb,
      end_mb: endMb,
      growth: endMb / earlyMb,
      images: images.length,
      old_images: images.filter(image => !image.includes(newest)).length,
    };
  } finally {
    await server.stop();
  }
}

export const generations: Scenario = {
  id: 'generations',
  title: '10,000 generations',
  about: `${CLIENTS} clients ask without a pause, and at least ${REQUESTS_BETWEEN} requests are answered between two swaps. Memory is that of the gateway process, after a tenth of the swaps and at the end.`,
  reference: null,
  contestants: ['gateway'],
  roundsMax: 1,
  metrics: [
    ...LEDGER_METRICS,
    { id: 'early_mb', label: 'MB after a tenth', better: 'lower', check: 'no' },
    { id: 'end_mb', label: 'MB at the end', better: 'lower', check: 'no' },
    { id: 'growth', label: 'growth', digits: 3, better: 'lower', check: 'itself' },
    { id: 'images', label: 'images mapped at the end', better: 'lower', check: 'no' },
    { id: 'old_images', label: 'of them old', better: 'lower', check: 'zero' },
  ],
  measure,
};
