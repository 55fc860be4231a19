/** The endpoints on `Deno.serve`, on a free port. Prints its address. */
import { answer } from '../common/fetch-app.ts';

/** The little of Deno's types that is used; the project knows Node's only. */
declare const Deno: {
  serve(
    options: { hostname: string; port: number; onListen(address: { port: number }): void },
    handler: (request: Request) => Promise<Response>,
  ): unknown;
};

Deno.serve({ hostname: '127.0.0.1', port: 0, onListen: ({ port }) => console.log(`http://127.0.0.1:${port}`) }, answer);
