/** Hono answering in line, on a free port. Prints its address. */
import { createAdaptorServer } from '@hono/node-server';
import type { AddressInfo } from 'node:net';
import { createApp } from '../common/hono-app.ts';

const app = createApp({ many: Number(process.env['MANY'] ?? 0) });
const server = createAdaptorServer({ fetch: app.fetch });
server.listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
