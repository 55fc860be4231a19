/** Hono whose routes hand each request to a pool of threads, on a free port. Prints its address. */
import { createAdaptorServer } from '@hono/node-server';
import { Hono, type Context } from 'hono';
import type { AddressInfo } from 'node:net';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Piscina } from 'piscina';
import { TEXT } from '../common/answers.ts';
import type { Task } from './worker.ts';

const NOTHING = new Uint8Array();
const threads = availableParallelism();
const pool = new Piscina<Task, string | Uint8Array<ArrayBuffer>>({
  filename: join(import.meta.dirname, 'worker.ts'),
  minThreads: threads,
  maxThreads: threads,
  concurrentTasksPerWorker: 1_000,
  atomics: 'async',
});

async function handOver(context: Context, endpoint: Task['endpoint'], type = TEXT): Promise<Response> {
  const body = context.req.method === 'POST' ? new Uint8Array(await context.req.arrayBuffer()) : NOTHING;
  const parameters = { ...context.req.param(), ...context.req.query() };
  return context.body(await pool.run({ endpoint, body, parameters }), 200, { 'content-type': type });
}

const app = new Hono();
app.get('/hello', context => handOver(context, 'hello'));
app.get('/burn', context => handOver(context, 'burn'));
app.get('/sleep', context => handOver(context, 'sleep'));
app.get('/users/:user/orders/:order', context => handOver(context, 'order', 'application/json'));
app.post('/echo', context => handOver(context, 'echo', 'application/json'));
app.post('/raw', context => handOver(context, 'raw', 'application/octet-stream'));
app.post('/upload', context => handOver(context, 'upload'));

const server = createAdaptorServer({ fetch: app.fetch });
server.listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
