/** The reference of the dispatch bench: the same Hono on the same server, answering in line. Prints its address. */
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import type { AddressInfo } from 'node:net';

const app = new Hono();
app.all('*', context => context.body('Hello, world!', 200, { 'content-type': 'text/plain; charset=utf-8' }));
const server = createAdaptorServer({ fetch: app.fetch });
server.listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
