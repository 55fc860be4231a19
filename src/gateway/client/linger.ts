import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../serving/clock.ts';

/** Most that is read and dropped of what nobody wants, in time and bytes, before the connection is closed anyway. */
export const LINGER_MS = 1_000;
const LINGER_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Ends a reply that was given while the client still sends, but not at once: closing a socket with unread bytes resets
 * it, and then the client may never see the reply. So the bytes are dropped until the client has stopped.
 */
export function lingerThenEnd(incoming: IncomingMessage, outgoing: ServerResponse, clock: Clock): void {
  let bytes = 0;
  const timer = clock.after(LINGER_MS, end);
  incoming.on('data', onData);
  incoming.on('end', end);
  incoming.on('close', end);

  function onData(chunk: Buffer): void {
    bytes += chunk.length;
    if (bytes > LINGER_BYTES_MAX) end();
  }

  function end(): void {
    timer.cancel();
    incoming.off('data', onData);
    incoming.off('end', end);
    incoming.off('close', end);
    outgoing.end();
  }
}
