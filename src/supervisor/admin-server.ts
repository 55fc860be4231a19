import type { Server } from 'node:http';
import { once } from 'node:events';
import { createAdaptorServer } from '@hono/node-server';
import type { OpenAPIHono } from '@hono/zod-openapi';

/** The admin API on its listening socket, which the server closes with itself. */
export async function serveAdmin(app: OpenAPIHono, fd: number): Promise<Server> {
  const server = createAdaptorServer({ fetch: app.fetch }) as Server;
  server.listen({ fd });
  await once(server, 'listening');
  return server;
}

/** Accepts nothing more; event streams are cut, since they would never end by themselves. */
export function stopAdmin(server: Server): void {
  server.close();
  server.closeAllConnections();
}
