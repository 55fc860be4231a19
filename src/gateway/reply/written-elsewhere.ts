import { getRequestListener } from '@hono/node-server';
import type { ServerResponse } from 'node:http';

/**
 * The gateway's replies are written to Node's response when a handler has answered, not by node-server. It is given another
 * response instead, into which it may write what it likes, and from the route a `Response` that never changes.
 *
 * Reason: making a `Response` of a reply and copying its headers costs a fifth of a small request; so does, nearly, what
 * node-server does for its own mark RESPONSE_ALREADY_SENT. And its listener has to come to its end: V8 optimises no function
 * that waits for ever. Gain: `npm run bench:dispatch`. Catch: middleware cannot change a reply any more, and what
 * node-server refuses by itself it answers to nobody: the caller has to see whether the route was reached.
 */
const ignored = (): typeof NOWHERE => NOWHERE;
export const NOWHERE = {
  on: ignored,
  once: ignored,
  writeHead: ignored,
  end: ignored,
  destroy: ignored,
} as unknown as ServerResponse;

/**
 * A response of node-server's own class, which it writes without waiting for anything and without looking at headers. The
 * class is to be had only in the place of the global one, where node-server puts it when it is asked to.
 */
function emptyResponse(): Response {
  const { Request, Response } = Object.getOwnPropertyDescriptors(globalThis);
  getRequestListener(() => WRITTEN_ELSEWHERE);
  try {
    return new globalThis.Response(null);
  } finally {
    Object.defineProperties(globalThis, { Request, Response });
  }
}

export const WRITTEN_ELSEWHERE: Response = emptyResponse();
