/** The endpoints as a Hono application that answers in line. */
import { Hono } from 'hono';
import { burn, HELLO, manyPaths, pause, TEXT } from './answers.ts';

export function createApp(options: { readonly many?: number; readonly version?: () => string } = {}): Hono {
  const app = new Hono();
  const type = { 'content-type': TEXT };
  app.get('/hello', context => context.body(HELLO, 200, type));
  app.post('/echo', async context => context.json(await context.req.json()));
  app.post('/raw', async context => context.body(await context.req.arrayBuffer()));
  app.post('/upload', async context => context.body(String((await context.req.arrayBuffer()).byteLength), 200, type));
  app.get('/users/:user/orders/:order', context => {
    const { user, order } = context.req.param();
    return context.json({ user, order, limit: context.req.query('limit'), sort: context.req.query('sort') });
  });
  app.get('/sleep', async context => {
    await pause(Number(context.req.query('ms')));
    return context.body('slept', 200, type);
  });
  app.get('/burn', context => context.body(burn(), 200, type));
  app.get('/version', context => context.body(options.version?.() ?? '', 200, type));
  for (const path of manyPaths(options.many ?? 0)) app.get(path, context => context.body(HELLO, 200, type));
  return app;
}
