/** Watt's application: its `create` gives a server that Watt has listen. It is run from a copy beside Watt's packages. */
import { createAdaptorServer } from '@hono/node-server';
import type { Hono } from 'hono';
import { join } from 'node:path';

interface Common {
  readonly swappedApp: (versionFile: string) => Hono;
}

export async function create() {
  const common = join(process.env['BENCH_FOLDER'] ?? '', '../common/swapped-app.ts');
  const { swappedApp } = (await import(common)) as Common;
  return createAdaptorServer({ fetch: swappedApp(process.env['VERSION_FILE'] ?? '').fetch });
}
