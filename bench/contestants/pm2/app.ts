/** An instance: says when it is ready, and on SIGINT finishes what it has. */
import { createAdaptorServer } from '@hono/node-server';
import { swappedApp } from '../common/swapped-app.ts';

const app = swappedApp(process.env['VERSION_FILE'] ?? '');
const server = createAdaptorServer({ fetch: app.fetch });
server.listen(Number(process.env['PORT']), '127.0.0.1', () => process.send?.('ready'));
process.on('SIGINT', () => server.close(() => process.exit(0)));
