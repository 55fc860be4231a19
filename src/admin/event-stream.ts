import type { Context } from 'hono';
import { streamSSE } from 'hono/streaming';

/** Sent when nothing else is, so that both ends notice a broken connection. */
const HEARTBEAT_MS = 15_000;
/** Messages that may wait for a slow reader; past it the stream is ended, and the reader may come back. */
const WAITING_MAX = 10_000;

export interface StreamMessage {
  readonly event: string;
  readonly data: unknown;
}

/**
 * Answers with server-sent events until the client leaves. `subscribe` gets a function to send with, and gives one that
 * ends the subscription.
 */
export function eventStream(c: Context, subscribe: (send: (message: StreamMessage) => void) => () => void): Response {
  return streamSSE(c, async stream => {
    let waiting = 0;
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const write = (text: string): void => {
      waiting += 1;
      if (waiting > WAITING_MAX) return end();
      stream.write(text).then(() => (waiting -= 1), end);
    };
    stream.onAbort(end);
    const heartbeat = setInterval(() => write(': still here\n\n'), HEARTBEAT_MS);
    const unsubscribe = subscribe(({ event, data }) => write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`));
    write(': connected\n\n');
    await ended;
    clearInterval(heartbeat);
    unsubscribe();
  });
}
