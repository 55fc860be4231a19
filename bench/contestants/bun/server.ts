/** The endpoints as routes of `Bun.serve`, on a free port. Prints its address. */
import { burn, HELLO, pause, TEXT } from '../common/answers.ts';

interface BunRequest extends Request {
  readonly params: Readonly<Record<string, string>>;
}

type Route = (request: BunRequest) => Response | Promise<Response>;

/** The little of Bun's types that is used; the project knows Node's only. */
declare const Bun: {
  serve(options: {
    hostname: string;
    port: number;
    routes: Record<string, Route | Record<string, Route>>;
    fetch(): Response;
  }): { port: number };
};

const text = (body: string): Response => new Response(body, { headers: { 'content-type': TEXT } });
const query = (request: Request): URLSearchParams => new URL(request.url).searchParams;

const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  routes: {
    '/hello': () => text(HELLO),
    '/echo': { POST: async request => Response.json(await request.json()) },
    '/raw': { POST: async request => new Response(await request.arrayBuffer()) },
    '/upload': { POST: async request => text(String((await request.arrayBuffer()).byteLength)) },
    '/users/:user/orders/:order': request => {
      const search = query(request);
      return Response.json({ ...request.params, limit: search.get('limit'), sort: search.get('sort') });
    },
    '/sleep': async request => {
      await pause(Number(query(request).get('ms')));
      return text('slept');
    },
    '/burn': () => text(burn()),
  },
  fetch: () => new Response('Not found', { status: 404 }),
});
console.log(`http://127.0.0.1:${server.port}`);
