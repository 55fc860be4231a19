/**
 * Headers of a handler's reply as they go out. Those about the connection and the framing are the gateway's own, so a
 * handler's are dropped; so is its `x-request-id`. A `date` of the handler is kept: it speaks of its answer.
 */
const DROPPED = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-request-id',
]);

const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const FORBIDDEN_IN_VALUE = /[^\t\x20-\x7e\x80-\xff]/;

/** What was looked at last; most replies have the same array (see frame.ts). */
let last: { readonly headers: readonly string[]; readonly kept: readonly string[] | null } = { headers: [], kept: [] };

/** name, value, name, value … that may go out, to which the caller may add; null: HTTP does not allow one of them. */
export function replyHeaders(headers: readonly string[]): string[] | null {
  if (headers !== last.headers) last = { headers, kept: keptHeaders(headers) };
  return last.kept === null ? null : [...last.kept];
}

function keptHeaders(headers: readonly string[]): readonly string[] | null {
  const kept: string[] = [];
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index] ?? '';
    const value = headers[index + 1] ?? '';
    if (!NAME.test(name) || FORBIDDEN_IN_VALUE.test(value)) return null;
    const lower = name.toLowerCase();
    if (!DROPPED.has(lower) && !lower.startsWith('proxy-')) kept.push(name, value);
  }
  return kept;
}

/** A final status: the informational ones below 200 are the gateway's business. */
export const isFinalStatus = (status: number): boolean => status >= 200 && status <= 599;

/** Responses that never have a body, nor a content-length: 204 and 304. 205 has one of length 0. */
export const hasNoLength = (status: number): boolean => status === 204 || status === 304;
export const hasNoBody = (status: number): boolean => hasNoLength(status) || status === 205;
