import { setTimeout as sleep } from 'node:timers/promises';
import { fakeReply, type FakeHandler } from '../support/fake-pool.ts';

/** The operations of test/fixtures/kit.rs that the conformance suite uses, without Rust. */
export const fakeKit: FakeHandler = async (parts, { signal, log }) => {
  const query = new URLSearchParams(parts.query);
  const n = Number(query.get('n') ?? 0);
  const body = Buffer.from(parts.body ?? []);
  switch (query.get('op')) {
    case 'echo':
      return { status: 200, headers: ['content-type', headerOf(parts.rawHeaders, 'content-type')], body };
    case 'request':
      return fakeReply(200, JSON.stringify({ ...parts, headers: headersOf(parts.rawHeaders), body: body.toString() }));
    case 'big':
      return fakeReply(200, 'x'.repeat(n));
    case 'log':
      log('an error');
      return fakeReply(204);
    case 'sleep':
      await sleep(n, null, { signal });
      return fakeReply(200, 'sleep');
    case 'forever':
      await sleep(86_400_000, null, { signal });
      return fakeReply(200, 'forever');
    case 'panic_later':
      await sleep(n, null, { signal });
      throw new Error(`boom after ${n} ms`);
    case 'panic':
      throw new Error(`boom ${n}`);
    default:
      return fakeReply(400, 'unknown op');
  }
};

function headersOf(rawHeaders: readonly string[]): Record<string, string> {
  const names = rawHeaders.filter((_, index) => index % 2 === 0);
  return Object.fromEntries(names.map((name, index) => [name, rawHeaders[2 * index + 1] ?? '']));
}

const headerOf = (rawHeaders: readonly string[], name: string): string => headersOf(rawHeaders)[name] ?? '';
