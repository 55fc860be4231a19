/** The Hono application of the contestants that are swapped by a restart: it answers with the version it was started as. */
import { readFileSync } from 'node:fs';
import type { Hono } from 'hono';
import { createApp } from './hono-app.ts';

/** A restart is the deploy of a new program; which one it is stands in a file. */
export function swappedApp(versionFile: string): Hono {
  const version = readFileSync(versionFile, 'utf8');
  return createApp({ version: () => version });
}
