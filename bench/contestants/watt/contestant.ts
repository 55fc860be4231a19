import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startProgram } from '../../harness/child-server.ts';
import { installPackages, run } from '../../harness/install.ts';
import { FIRST_VERSION, VERSIONS, type Contestant, type Server } from '../contestant.ts';

const ADDRESS = /(http:\/\/127\.0\.0\.1:\d+)/;

async function start(): Promise<Server> {
  const packages = await installPackages('watt');
  const cli = join(packages, 'node_modules', 'wattpm', 'bin', 'cli.js');
  // Beside the packages, for the application must find them.
  const site = mkdtempSync(join(packages, 'site-'));
  const versionFile = join(site, 'version');
  cpSync(join(import.meta.dirname, 'site'), site, { recursive: true });
  writeFileSync(versionFile, String(FIRST_VERSION % VERSIONS));
  const server = await startProgram({
    command: process.execPath,
    args: [cli, 'start'],
    folder: site,
    environment: { PORT: '0', VERSION_FILE: versionFile, NODE_ENV: 'production', BENCH_FOLDER: import.meta.dirname },
    address: line => (line.includes('listening') ? ADDRESS.exec(line)?.[1] : undefined),
  });
  return {
    ...server,
    mainThreads: async () => [],
    async stop() {
      await server.stop();
      rmSync(site, { recursive: true, force: true });
    },
    async swap(version) {
      writeFileSync(versionFile, String(version % VERSIONS));
      await run(process.execPath, [cli, 'restart', String(server.pids()[0])], site);
      return {};
    },
  };
}

export const watt: Contestant = {
  id: 'watt',
  title: 'Watt restart',
  setUp:
    'Hono in Watt (`wattpm`, `@platformatic/node`, a `create` function) with two workers and its management API on; `wattpm restart` replaces the workers one at a time.',
  install: async () => {
    await installPackages('watt');
  },
  start: () => start(),
};
