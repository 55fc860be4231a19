import { readFileSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { startProgram } from '../../harness/child-server.ts';
import { installPackages } from '../../harness/install.ts';
import { cacheFolder } from '../../harness/places.ts';
import type { Contestant } from '../contestant.ts';

/** workerd takes JavaScript and names modules relative to its configuration: both lie together in the cache. */
function writeSite(): string {
  const folder = cacheFolder('workerd-site');
  for (const name of ['answers', 'fetch-app']) {
    const source = readFileSync(join(import.meta.dirname, '..', 'common', `${name}.ts`), 'utf8');
    writeFileSync(join(folder, `${name}.js`), stripTypeScriptTypes(source).replaceAll(".ts'", ".js'"));
  }
  const worker = "import { answer } from './fetch-app.js';\nexport default { fetch: answer };\n";
  writeFileSync(join(folder, 'worker.js'), worker);
  const config = join(folder, 'config.capnp');
  writeFileSync(config, readFileSync(join(import.meta.dirname, 'config.capnp')));
  return config;
}

function addressIn(line: string): string | undefined {
  const port = /"event":"listen".*"port":(\d+)/.exec(line)?.[1];
  return port === undefined ? undefined : `http://127.0.0.1:${port}`;
}

export const workerd: Contestant = {
  id: 'workerd',
  title: 'workerd',
  setUp:
    'workerd from npm, one worker as an ES module with a `fetch` handler, `workerd serve` with a configuration as its README shows. workerd runs one isolate on one thread per process.',
  install: async () => {
    await installPackages('workerd');
  },
  start: async () =>
    startProgram({
      command: join(await installPackages('workerd'), 'node_modules', 'workerd', 'bin', 'workerd'),
      args: ['serve', '--control-fd=1', writeSite()],
      address: addressIn,
    }),
};
