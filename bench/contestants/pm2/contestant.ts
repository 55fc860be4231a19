import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../../../test/support/eventually.ts';
import { endWithBench } from '../../harness/alive.ts';
import { installPackages, run } from '../../harness/install.ts';
import { processTree } from '../../harness/processes.ts';
import { FIRST_VERSION, VERSIONS, type Contestant, type Server } from '../contestant.ts';

const INSTANCES = 2;

/** pm2 tells no port that the system has chosen. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function ecosystem(port: number, versionFile: string): object {
  const app = {
    name: 'bench',
    script: join(import.meta.dirname, 'app.ts'),
    exec_mode: 'cluster',
    instances: INSTANCES,
    wait_ready: true,
    listen_timeout: 10_000,
    kill_timeout: 10_000,
    env: { PORT: String(port), VERSION_FILE: versionFile, NODE_ENV: 'production' },
  };
  return { apps: [app] };
}

async function start(): Promise<Server> {
  const cli = join(await installPackages('pm2'), 'node_modules', 'pm2', 'bin', 'pm2');
  const home = mkdtempSync(join(tmpdir(), 'bench-pm2-'));
  const versionFile = join(home, 'version');
  // Its daemon outlives its command line, so it gets a home of its own, in which it is found and ended.
  const pm2 = (...args: string[]): Promise<string> => {
    const environment = [`PM2_HOME=${home}`, 'PM2_DISABLE_VERSION_CHECK=true'];
    return run('env', [...environment, process.execPath, cli, ...args], home);
  };
  const port = await freePort();
  const config = join(home, 'ecosystem.config.json');
  writeFileSync(config, JSON.stringify(ecosystem(port, versionFile)));
  writeFileSync(versionFile, String(FIRST_VERSION % VERSIONS));
  const url = `http://127.0.0.1:${port}`;
  const stop = async (): Promise<void> => {
    await pm2('kill');
    rmSync(home, { recursive: true, force: true });
  };
  try {
    await pm2('start', config);
    await eventually('pm2 serves', async () => (await fetch(`${url}/version`)).ok);
  } catch (error) {
    await stop();
    throw error;
  }
  const daemon = Number(readFileSync(join(home, 'pm2.pid'), 'utf8'));
  const forget = endWithBench(daemon);
  return {
    url,
    pids: () => processTree(daemon),
    mainThreads: async () => [],
    async stop() {
      await stop();
      forget();
    },
    async swap(version) {
      writeFileSync(versionFile, String(version % VERSIONS));
      await pm2('reload', 'bench');
      return {};
    },
  };
}

export const pm2: Contestant = {
  id: 'pm2',
  title: 'pm2 reload',
  setUp:
    'Hono in pm2’s cluster mode with two instances, as its documentation recommends for reloads without downtime: `wait_ready` and `process.send("ready")`, SIGINT closes the server; swapped by `pm2 reload`.',
  install: async () => {
    await installPackages('pm2');
  },
  start: () => start(),
};
