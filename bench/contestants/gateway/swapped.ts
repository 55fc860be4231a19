/** The gateway with one endpoint, `/version`, that is swapped between three builds by rollbacks. */
import { answering } from '../../../test/support/code.ts';
import { FIRST_VERSION, VERSIONS } from '../contestant.ts';
import { GatewayServer, launch, settled } from './contestant.ts';

export const ENDPOINT = 'version';

export class SwappedGateway extends GatewayServer {
  /** A rollback makes a new generation of the build before last, which is the next version modulo three. */
  async swap(version: number): Promise<Readonly<Record<string, number>>> {
    const path = `/endpoints/${ENDPOINT}/rollback`;
    const answer = await this.gateway.must('POST', path, { generation: version - VERSIONS });
    if (answer['generation'] !== version) throw new Error(`generation ${String(answer['generation'])}, not ${version}`);
    return { swap_ms: Number(answer['swap_ms']), load_ms: Number(answer['load_ms']) };
  }

  override async stop(): Promise<void> {
    await this.gateway[Symbol.asyncDispose]();
  }
}

/** Its versions are its generations: what is deployed first answers 1, then 2, then 0. */
export async function startSwappedGateway(settings: Readonly<Record<string, string>> = {}): Promise<SwappedGateway> {
  const gateway = await launch({ settings });
  try {
    await settled(gateway, Number(settings['SPARE_PROCESSES'] ?? 1));
    await gateway.deploy(ENDPOINT, { code: answering('1') });
    for (let version = 2; version <= FIRST_VERSION; version += 1) {
      await gateway.redeploy(ENDPOINT, answering(String(version % VERSIONS)));
    }
    return new SwappedGateway(gateway);
  } catch (error) {
    await gateway[Symbol.asyncDispose]();
    throw error;
  }
}
