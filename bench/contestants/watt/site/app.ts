/** Watt's application: its `create` gives a server that Watt has listen. It is run from a copy beside Watt's packages. */
import { createAdaptorServer } from '@hono/node-server';
import type { Hono } from 'hono';
import { join } from 'node:path';

interface Shared {
  readonly swappedApp: (versionFile: string) => Hono;
}

export async function create() {
  const shared = join(process.env['BENCH_FOLDER'] ?? '', '../shared/swapped-app.ts');
  const { swappedApp } = (await import(shared)) as Shared;
  return createAdaptorServer({ fetch: swappedApp(process.env['VERSION_FILE'] ?? '').fetch });
}
