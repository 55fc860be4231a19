import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sourceDigest } from '../../../src/build/source-digest.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { RunningGateway, type EndpointOptions, type StartOptions } from '../../../test/support/gateway.ts';
import { ROOT } from '../../../test/support/source-tree.ts';
import { endWithBench } from '../../harness/alive.ts';
import { cacheFolder } from '../../harness/places.ts';
import { processTree } from '../../harness/processes.ts';
import type { Contestant, Server, Site } from '../contestant.ts';
import { manyPaths } from '../common/answers.ts';

export const handler = (name: string): string => readFileSync(join(import.meta.dirname, `${name}.rs`), 'utf8');

const ENDPOINTS: Readonly<Record<string, EndpointOptions>> = {
  hello: { code: handler('hello') },
  echo: { code: handler('echo'), method: 'POST' },
  raw: { code: handler('raw'), method: 'POST' },
  upload: { code: handler('upload'), method: 'POST' },
  order: { code: handler('order'), path: '/users/{user}/orders/{order}' },
  // One worker thread: what it carries is what the scenario is about.
  sleep: { code: handler('sleep'), threads: 1 },
  burn: { code: handler('burn') },
};

/** Starts the program; it ends with the bench at the latest, also when that is broken off while it starts. */
export async function launch(options: StartOptions = {}): Promise<RunningGateway> {
  const gateway = await RunningGateway.launch(options);
  void gateway.exited().then(endWithBench(gateway.pid));
  await gateway.ready();
  return gateway;
}

/** The program as `npm start` starts it, with every setting at its default but ports and folders. */
export class GatewayServer implements Server {
  readonly gateway: RunningGateway;

  constructor(gateway: RunningGateway) {
    this.gateway = gateway;
  }

  get url(): string {
    return this.gateway.url;
  }

  pids(): readonly number[] {
    return processTree(this.gateway.pid);
  }

  mainThreads(): Promise<readonly number[]> {
    return this.gateway.servingPids();
  }

  async stop(): Promise<void> {
    await this.gateway.stop();
  }
}

async function deployAll(gateway: RunningGateway, { many }: Site): Promise<void> {
  for (const [id, endpoint] of Object.entries(ENDPOINTS)) await gateway.deploy(id, endpoint);
  for (const path of manyPaths(many)) {
    await gateway.deploy(path.slice(1).replace('/', '-'), { code: handler('hello'), path });
  }
}

function removeOutdated(prefix: string, current: string): void {
  const sites = cacheFolder('sites');
  for (const name of readdirSync(sites)) {
    if (name.startsWith(prefix) && name !== current) rmSync(join(sites, name), { recursive: true, force: true });
  }
}

/**
 * A data folder with all endpoints deployed, kept in the cache until the gateway or a handler changes: every start is a
 * fresh process, and compiling a thousand endpoints takes longer than all that is measured with them.
 */
async function preparedFolder(site: Site): Promise<string> {
  const program = await sourceDigest(ROOT, ['crates', 'src/build', 'src/store']);
  const digest = createHash('sha256').update(program).update(JSON.stringify(ENDPOINTS)).digest('hex');
  const name = `${site.many}-${digest.slice(0, 16)}`;
  removeOutdated(`${site.many}-`, name);
  const folder = cacheFolder('sites', name);
  const marker = join(folder, 'prepared');
  if (existsSync(marker)) return folder;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const gateway = await launch({ folder });
  try {
    // It brings an endpoint of the same name.
    await gateway.log(line => line.event === 'example_ready', 300_000);
    await gateway.must('DELETE', '/endpoints/hello');
    await deployAll(gateway, site);
  } finally {
    await gateway.stop();
  }
  writeFileSync(marker, '');
  return folder;
}

/** The program goes on preparing itself once it serves; what it does then would be taken for the cost of requests. */
export async function settled(gateway: RunningGateway, spares: number): Promise<void> {
  await gateway.log(line => line['msg'] === 'the build directory is primed', 300_000);
  await eventually('the spare is ready', async () => (await gateway.pidsIn('spare')).length >= spares, 60_000);
}

export async function startGateway(
  site: Site,
  settings: Readonly<Record<string, string>> = {},
): Promise<GatewayServer> {
  const folder = await preparedFolder(site);
  const gateway = await launch({ folder, settings });
  await settled(gateway, Number(settings['SPARE_PROCESSES'] ?? 1));
  return new GatewayServer(gateway);
}

export const gateway: Contestant = {
  id: 'gateway',
  title: 'gateway',
  setUp:
    'This project as `npm start` starts it, every setting at its default: a supervisor, one gateway process and its spare, whose memory and processor time count too.',
  install: async () => {},
  start: site => startGateway(site, site.settings),
};
