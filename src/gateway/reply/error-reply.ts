import { STATUS_CODES } from 'node:http';
import { PUBLIC_ERRORS, type PublicErrorCode, type PublicErrorEntry } from '../../errors.ts';

export interface ErrorReply {
  readonly status: number;
  /** name, value, name, value …; without content-length and x-request-id. */
  readonly headers: string[];
  readonly body: string;
}

/** The JSON answer for an error of the gateway. `headers` are further ones, such as Allow. */
export function errorReply(code: PublicErrorCode, requestId: string, headers: readonly string[] = []): ErrorReply {
  const { status, sentence, retryAfterSecs }: PublicErrorEntry = PUBLIC_ERRORS[code];
  return {
    status,
    headers: [
      'content-type',
      'application/json; charset=utf-8',
      ...(retryAfterSecs === undefined ? [] : ['retry-after', String(retryAfterSecs)]),
      ...headers,
    ],
    body: JSON.stringify({ error: sentence, code, request_id: requestId }),
  };
}

/** The same as bytes of a whole response, for a connection whose request Node could not parse. */
export function rawErrorReply(code: PublicErrorCode, requestId: string): string {
  const { status, headers, body } = errorReply(code, requestId);
  const all = [
    ...headers,
    'x-request-id',
    requestId,
    'content-length',
    String(Buffer.byteLength(body)),
    'connection',
    'close',
  ];
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`];
  for (let index = 0; index + 1 < all.length; index += 2) lines.push(`${all[index]}: ${all[index + 1]}`);
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}
