import type { IncomingMessage } from 'node:http';

/** What a request is aimed at, as far as routing needs it. */
export interface RequestTarget {
  /** In lower case and without port; empty when the client sent none (HTTP/1.0). */
  readonly host: string;
  /** As sent: percent-encoded, without query. */
  readonly path: string;
  /** Without "?". */
  readonly query: string;
}

/** Visible ASCII; a fragment does not belong into a request. */
const TARGET = /^[\x21\x22\x24-\x7e]+$/;
const ABSOLUTE_FORM = /^https?:\/\/([^/?]*)(.*)$/i;
const HOST = /^([A-Za-z0-9._~%!$&'()*+,;=-]+|\[[0-9A-Fa-f:.]+\])(?::\d{0,5})?$/;

/** HTTP/1.1 asks for exactly one Host header; Node keeps the first of several, so they are counted here. */
export function hasOneHost(incoming: IncomingMessage): boolean {
  if (incoming.headers.host === undefined) return incoming.httpVersionMinor === 0;
  const { rawHeaders } = incoming;
  let hosts = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index];
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts++;
  }
  return hosts === 1;
}

/** Reads `url` and the Host header as Node gives them. null: either is malformed. */
export function readTarget(url: string, hostHeader: string | undefined): RequestTarget | null {
  if (!TARGET.test(url)) return null;
  const absolute = url.startsWith('/') ? null : ABSOLUTE_FORM.exec(url);
  if (absolute !== null) return splitTarget(withLeadingSlash(absolute[2] ?? ''), absolute[1]);
  return url.startsWith('/') ? splitTarget(url, hostHeader) : null;
}

/** Of the Host header that was read last: most clients send the same one. */
let lastHost: { readonly header: string; readonly name: string | null } = { header: '', name: null };

/** The name in a Host header, in lower case, without port and the dot that ends an absolute name. null: malformed. */
export function hostName(host: string): string | null {
  if (lastHost.header !== host) lastHost = { header: host, name: readHostName(host) };
  return lastHost.name;
}

function readHostName(host: string): string | null {
  const name = HOST.exec(host)?.[1];
  if (name === undefined) return null;
  const lower = name.toLowerCase();
  return lower.endsWith('.') ? lower.slice(0, -1) : lower;
}

function splitTarget(target: string, hostHeader: string | undefined): RequestTarget | null {
  const host = hostHeader === undefined || hostHeader === '' ? '' : hostName(hostHeader);
  const mark = target.indexOf('?');
  const path = mark === -1 ? target : target.slice(0, mark);
  const query = mark === -1 ? '' : target.slice(mark + 1);
  if (host === null || path.includes('\\') || !isDecodable(query)) return null;
  return { host, path, query };
}

const withLeadingSlash = (text: string): string => (text.startsWith('/') ? text : `/${text}`);

/** Percent-encoding that is complete and UTF-8. An encoded character never spans a "&" or "=", so the whole is one test. */
function isDecodable(query: string): boolean {
  if (!query.includes('%')) return true;
  try {
    decodeURIComponent(query);
    return true;
  } catch {
    return false;
  }
}
