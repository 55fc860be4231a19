import assert from 'node:assert/strict';
import { PUBLIC_ERRORS, type PublicErrorCode, type PublicErrorEntry } from '../../src/errors.ts';
import type { RawResponse } from './raw-client.ts';

/** The response is the JSON answer of this code, says the same request id twice, and when to try again if the table does. */
export function assertError(response: RawResponse, code: PublicErrorCode): void {
  const { status, sentence, retryAfterSecs }: PublicErrorEntry = PUBLIC_ERRORS[code];
  assert.equal(response.status, status);
  assert.match(response.headers.get('content-type') ?? '', /^application\/json/);
  assert.equal(response.headers.get('retry-after'), retryAfterSecs?.toString());
  const id = response.headers.get('x-request-id');
  assert.ok(id);
  assert.deepEqual(JSON.parse(response.body), { error: sentence, code, request_id: id });
}
