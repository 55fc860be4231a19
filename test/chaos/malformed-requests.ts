/** Requests that are not HTTP, or ask for what is not there, with the statuses that may answer them. */
export interface Malformed {
  readonly what: string;
  readonly bytes: string;
  readonly statuses: readonly number[];
}

const request = (lines: readonly string[], body = ''): string => `${lines.join('\r\n')}\r\n\r\n${body}`;
const HOST = 'Host: chaos';

export const MALFORMED: readonly Malformed[] = [
  { what: 'no HTTP', bytes: request(['this is not HTTP']), statuses: [400] },
  { what: 'bytes of TLS', bytes: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n', statuses: [400] },
  { what: 'no host', bytes: request(['GET /steady HTTP/1.1']), statuses: [400] },
  { what: 'two hosts', bytes: request(['GET /steady HTTP/1.1', HOST, 'Host: other']), statuses: [400] },
  { what: 'a bad escape', bytes: request(['GET /%zz HTTP/1.1', HOST]), statuses: [400, 404] },
  { what: 'a header without a name', bytes: request(['GET /steady HTTP/1.1', HOST, ': nameless']), statuses: [400] },
  { what: 'NUL in a header', bytes: request(['GET /steady HTTP/1.1', HOST, 'X-Nul: a\0b']), statuses: [400] },
  {
    what: 'two ways to tell the length',
    bytes: request(['POST /echo HTTP/1.1', HOST, 'Content-Length: 3', 'Transfer-Encoding: chunked'], '0\r\n\r\n'),
    statuses: [400],
  },
  {
    what: 'two lengths',
    bytes: request(['POST /echo HTTP/1.1', HOST, 'Content-Length: 3', 'Content-Length: 4'], 'abcd'),
    statuses: [400],
  },
  {
    what: 'a length that is no number',
    bytes: request(['POST /echo HTTP/1.1', HOST, 'Content-Length: many'], 'abc'),
    statuses: [400],
  },
  {
    what: 'a broken chunk',
    bytes: request(['POST /echo HTTP/1.1', HOST, 'Transfer-Encoding: chunked'], 'zz\r\nabc\r\n'),
    statuses: [400],
  },
  {
    what: 'headers past the limit',
    bytes: request(['GET /steady HTTP/1.1', HOST, `X-Long: ${'x'.repeat(40_000)}`]),
    statuses: [431],
  },
  {
    what: 'a body past the limit',
    bytes: request(['POST /echo HTTP/1.1', HOST, 'Content-Length: 1000000000'], 'abc'),
    statuses: [413],
  },
  { what: 'nobody’s path', bytes: request(['GET /nobody HTTP/1.1', HOST]), statuses: [404] },
];
