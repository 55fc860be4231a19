import type { MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { LIMITS } from '../config.ts';
import { AdminError } from '../errors.ts';

export const limitBody: MiddlewareHandler = bodyLimit({
  maxSize: LIMITS.adminBodyBytesMax,
  onError: () => {
    throw new AdminError('body_too_large');
  },
});

function decode(bytes: ArrayBuffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new AdminError('malformed_json', 'The request body is not valid UTF-8.', { cause: error });
  }
}

function checkJson(text: string): void {
  try {
    JSON.parse(text);
  } catch (error) {
    throw new AdminError('malformed_json', `The request body is not valid JSON: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/**
 * Reads the body strictly: invalid UTF-8 is refused instead of repaired. No body at all counts as `{}`, and whatever its
 * type is said to be it is read as JSON, since no call takes anything else.
 */
export const readJson: MiddlewareHandler = async (c, next) => {
  if (c.req.raw.body !== null) {
    const { url, method } = c.req.raw;
    const body = decode(await c.req.raw.arrayBuffer()) || '{}';
    checkJson(body);
    const headers = new Headers(c.req.raw.headers);
    headers.set('content-type', 'application/json');
    c.req.raw = new Request(url, { method, headers, body });
  }
  await next();
};
