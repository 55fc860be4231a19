import { randomBytes } from 'node:crypto';

const ACCEPTABLE = /^[A-Za-z0-9._-]{1,128}$/;

/** Unique over processes by its random half, within this one by its count; a random id per request costs ten times as much. */
const PREFIX = randomBytes(9).toString('base64url').replaceAll('_', '.');
let count = 0;

export function newRequestId(): string {
  count++;
  return `${PREFIX}-${count.toString(36)}`;
}

/** The client's own id when it is one we pass on, else a new one. */
export function requestIdFor(sent: string | string[] | undefined): string {
  return typeof sent === 'string' && ACCEPTABLE.test(sent) ? sent : newRequestId();
}
