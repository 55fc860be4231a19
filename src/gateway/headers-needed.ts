import type { IncomingHttpHeaders } from 'node:http';
import { byLength, nameAmong } from './header-names.ts';

const NEEDED = byLength([
  'host',
  'expect',
  'x-request-id',
  'content-length',
  'x-forwarded-for',
  'x-forwarded-host',
  'transfer-encoding',
]);

/** Of several, Node keeps the first; the values of all others are one list. */
const FIRST_ONE_COUNTS = new Set(['host', 'content-length']);

/**
 * The headers that Node's server, node-server and the gateway itself look at; the handler gets all of them, raw.
 *
 * Reason: Node puts every header of a request into an object under its name, which has to be looked up in V8's table of
 * strings for that; most are never asked for. Gain: two to three microseconds of a small request (`npm run
 * bench:dispatch`). Catch: whoever asks for another header finds none, so it has to be added here.
 */
export function readHeadersNeeded(rawHeaders: readonly string[]): IncomingHttpHeaders {
  const headers: IncomingHttpHeaders = {};
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const sent = rawHeaders[index] ?? '';
    const needed = nameAmong(NEEDED, sent);
    if (needed === undefined) continue;
    const value = rawHeaders[index + 1] ?? '';
    const before = headers[needed];
    if (before === undefined) headers[needed] = value;
    else if (!FIRST_ONE_COUNTS.has(needed)) headers[needed] = `${String(before)}, ${value}`;
  }
  return headers;
}
