import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import { byLength, nameAmong } from '../header-names.ts';

/** Headers that Node treats in a way of its own. */
const SPECIAL = byLength(['date', 'expect', 'connection', 'content-disposition']);

/** Where Node keeps the head of a response until it is sent with the first bytes of the body; not documented. */
interface NodeResponse {
  _header: string;
  _keepAliveTimeout: number;
}

/**
 * Does what `outgoing.writeHead(status, headers)` does, for a reply with a body whose length is among the headers.
 *
 * Reason: Node checks every header again, looks each of its names up, and adds its own. Gain: 0.7 µs of a small request
 * (`npm run bench:dispatch`). Catch: it depends on where Node keeps a head, so test/gateway/reply-head.test.ts holds the
 * bytes against Node's; and what is not the common case is left to Node.
 *
 * @param headers name, value, name, value …; checked, and with a content-length
 */
export function setHead(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  status: number,
  headers: readonly string[],
): void {
  const head = isCommon(incoming, outgoing) ? headText(status, headers, outgoing) : null;
  if (head === null) {
    outgoing.writeHead(status, headers as string[]);
    return;
  }
  outgoing.statusCode = status;
  (outgoing as unknown as NodeResponse)._header = head;
}

/** The connection stays open, as it does by default since HTTP/1.1. */
const isCommon = (incoming: IncomingMessage, outgoing: ServerResponse): boolean =>
  outgoing.shouldKeepAlive && incoming.httpVersionMinor === 1 && incoming.httpVersionMajor === 1;

/** null: there is a special header among them. */
function headText(status: number, headers: readonly string[], outgoing: ServerResponse): string | null {
  let text = statusLine(status);
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index] ?? '';
    if (nameAmong(SPECIAL, name) !== undefined) return null;
    text += `${name}: ${headers[index + 1]}\r\n`;
  }
  return text + ownLines((outgoing as unknown as NodeResponse)._keepAliveTimeout);
}

const statusLines: (string | undefined)[] = [];

function statusLine(status: number): string {
  return (statusLines[status] ??= `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n`);
}

/** Made once a second, which is the unit of a date. */
let own = { second: -1, keepAliveMs: -1, lines: '' };

/** What Node adds to a head, and the empty line that ends it. */
function ownLines(keepAliveMs: number): string {
  const nowMs = Date.now();
  const second = Math.floor(nowMs / 1000);
  if (own.second !== second || own.keepAliveMs !== keepAliveMs) {
    const timeout = keepAliveMs > 0 ? `Keep-Alive: timeout=${Math.floor(keepAliveMs / 1000)}\r\n` : '';
    const date = new Date(nowMs).toUTCString();
    own = { second, keepAliveMs, lines: `Date: ${date}\r\nConnection: keep-alive\r\n${timeout}\r\n` };
  }
  return own.lines;
}
