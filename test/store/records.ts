/** Store, records and a data directory for the tests of the store. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BuildRecord, NewEndpoint } from '../../src/store/records.ts';
import { openStore } from '../../src/store/sqlite-store.ts';

export const NOW = 1_700_000_000_000;

export function temporaryDirectory(): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'edge-gateway-store-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** A store in a directory of its own, both gone at the end of the scope. */
export function temporaryStore() {
  const directory = temporaryDirectory();
  const store = openStore(directory.path);
  return {
    store,
    [Symbol.dispose]() {
      store.close();
      directory[Symbol.dispose]();
    },
  };
}

export function newEndpoint(id: string, fields: Partial<NewEndpoint> = {}): NewEndpoint {
  return {
    id,
    name: id,
    domain: '*',
    path: `/${id}`,
    method: 'GET',
    description: '',
    code: null,
    dependencies: {},
    timeoutMs: null,
    drainTimeoutMs: null,
    threads: null,
    ...fields,
  };
}

export function newBuild(id: string, endpointId: string, fields: Partial<BuildRecord> = {}): BuildRecord {
  return {
    id,
    endpointId,
    key: `key of ${id}`,
    digest: `digest of ${id}`,
    abi: 1,
    durationMs: 612.5,
    finishedAt: NOW,
    cached: false,
    warnings: [],
    code: 'fn main() {}',
    dependencies: {},
    ...fields,
  };
}
