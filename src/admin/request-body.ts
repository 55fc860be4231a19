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

/** Reads the body strictly: invalid UTF-8 is refused instead of repaired, and no body at all counts as `{}`. */
export const readJson: MiddlewareHandler = async (c, next) => {
  if (c.req.raw.body !== null) {
    const { url, method, headers } = c.req.raw;
    const body = decode(await c.req.raw.arrayBuffer()) || '{}';
    checkJson(body);
    c.req.raw = new Request(url, { method, headers, body });
  }
  await next();
};
