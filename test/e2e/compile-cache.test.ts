/** Gateway processes and their worker threads start with modules that Node has compiled before. */
import assert from 'node:assert/strict';
import { readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { RunningGateway } from '../support/gateway.ts';
import { settled } from '../support/places.ts';

const VARIABLES = `use rust_edge_gateway_sdk::prelude::*;

#[handler]
pub fn handle(_: &Context, _: Request) -> Response {
    let names: Vec<String> = std::env::vars().map(|(name, _)| name).collect();
    Response::text(200, names.join(" "))
}
`;

async function cached(gateway: RunningGateway): Promise<string[]> {
  const folder = join(gateway.folder, 'data', 'compile-cache');
  const names = await readdir(folder, { recursive: true });
  const isFile = await Promise.all(names.map(async name => (await stat(join(folder, name))).isFile()));
  return names.filter((_name, index) => isFile[index]).map(name => join(folder, name));
}

test('the cache is filled, handlers do not see where it is, and a damaged one is made anew', async () => {
  const before = await RunningGateway.start();
  await before.deploy('variables', { code: VARIABLES });
  await settled(before);
  assert.doesNotMatch(await (await before.fetch('/variables')).text(), /NODE/);
  const files = await cached(before);
  assert.ok(files.length > 20, files.join('\n'));
  await before.stop();
  for (const file of files) await writeFile(file, 'no code');
  await using gateway = await RunningGateway.start({ folder: before.folder });
  await settled(gateway);
  assert.equal((await gateway.fetch('/variables')).status, 200);
  for (const file of await cached(gateway)) assert.ok((await stat(file)).size > 'no code'.length, file);
});
