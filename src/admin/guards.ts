import ipaddr from 'ipaddr.js';
import type { MiddlewareHandler } from 'hono';
import { AdminError } from '../errors.ts';
import { keyMatcher } from './key.ts';

/** The host of a `Host` header or an origin, without port and brackets, in lower case; null when there is none. */
function hostName(host: string): string | null {
  const name = /^(\[[0-9a-f:.]+\]|[^:/?#@\s]+)(:\d{1,5})?$/i.exec(host)?.[1];
  return name === undefined ? null : name.toLowerCase().replaceAll(/[[\]]/g, '');
}

function isLoopback(name: string): boolean {
  if (name === 'localhost') return true;
  return ipaddr.isValid(name) && ipaddr.parse(name).range() === 'loopback';
}

/**
 * Refuses requests that a foreign web page makes a browser send: those for a `Host` that is not ours (a name that was
 * made to point here) and those from another `Origin`.
 */
export function sameSite(allowedHosts: readonly string[]): MiddlewareHandler {
  const allowed = new Set(allowedHosts.map(host => hostName(host) ?? host.toLowerCase()));
  return async (c, next) => {
    // A request made in process has no Host header; its URL then has what a client would have sent.
    const host = c.req.header('host') ?? new URL(c.req.url).host;
    const name = hostName(host);
    if (name === null || !(isLoopback(name) || allowed.has(name))) throw new AdminError('forbidden_host');
    const origin = c.req.header('origin');
    const isSameOrigin =
      origin === undefined || /^https?:\/\/(.+)$/i.exec(origin)?.[1]?.toLowerCase() === host.toLowerCase();
    if (!isSameOrigin) throw new AdminError('forbidden_origin');
    await next();
  };
}

export function requireKey(key: string): MiddlewareHandler {
  const matches = keyMatcher(key);
  return async (c, next) => {
    if (!matches(c.req.header('authorization'))) throw new AdminError('unauthorized');
    await next();
  };
}
