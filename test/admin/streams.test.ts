import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HandlerLogEntry } from '../../src/observe/handler-log.ts';
import { TestAdmin } from '../support/admin.ts';

/** Reads a stream until what has come matches. */
async function readUntil(response: Response, pattern: RegExp): Promise<string> {
  assert.equal(response.status, 200);
  assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/);
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    if (pattern.test(text)) break;
  }
  return text;
}

const entry = (message: string, change: Partial<HandlerLogEntry> = {}): HandlerLogEntry => ({
  at: 1_700_000_000_000,
  generation: 1,
  requestId: 'r1',
  level: 'info',
  message,
  fault: null,
  backtrace: null,
  ...change,
});

const FAULT = {
  kind: 'memory',
  signal: 11,
  code: 1,
  address: '0',
  offset: '12',
  foreign: false,
  suspect: false,
  message: null,
  trace: [],
} as const;

const BACKTRACE = [{ function: 'handler_a::handle', file: 'src/lib.rs', line: 5, offset: '0x12' }];

test('recent lines and faults are given, oldest first, as many as are asked for', async () => {
  await using admin = await TestAdmin.open();
  await admin.plane.create('a');
  for (let index = 1; index <= 1_001; index += 1) admin.handlerLogs.of('a')?.append(entry(`line ${index}`));
  admin.handlerLogs.of('a')?.append(entry('memory', { level: 'error', fault: FAULT, backtrace: BACKTRACE }));
  const all = (await admin.call('GET', '/endpoints/a/logs')).data as unknown as Record<string, unknown>[];
  assert.equal(all.length, 1_000);
  assert.equal(all[0]?.['message'], 'line 3');
  const [line, fault] = (await admin.call('GET', '/endpoints/a/logs?limit=2')).data as unknown as object[];
  const when = { at: '2023-11-14T22:13:20.000Z', generation: 1, request_id: 'r1' };
  assert.deepEqual(line, { ...when, kind: 'log', level: 'info', message: 'line 1001', fault: null, backtrace: null });
  assert.deepEqual(fault, {
    ...when,
    kind: 'fault',
    level: 'error',
    message: 'memory',
    fault: FAULT,
    backtrace: BACKTRACE,
  });
});

test('followed logs begin with the recent lines and go on with new ones', async () => {
  await using admin = await TestAdmin.open();
  for (const id of ['a', 'b']) await admin.plane.create(id);
  admin.handlerLogs.of('a')?.append(entry('before'));
  const response = await admin.send('/api/endpoints/a/logs?follow=true');
  admin.handlerLogs.of('b')?.append(entry('of another'));
  admin.handlerLogs.of('a')?.append(entry('after'));
  const text = await readUntil(response, /"after"/);
  assert.match(text, /event: log\ndata: \{"at":"2023-11-14T22:13:20\.000Z".*"before".*\n\nevent: log\n.*"after"/s);
  assert.doesNotMatch(text, /of another/);
});

test('the event stream tells state changes, builds, swaps, generations and faults', async () => {
  await using admin = await TestAdmin.open();
  const response = await admin.send('/api/events');
  const { plane } = admin;
  await plane.create('a');
  await plane.deploy('a', 'one');
  await plane.lifecycle.change('a', { code: 'fail' });
  await assert.rejects(plane.lifecycle.compile('a'));
  plane.events.publish({ type: 'build_progress', endpoint: 'a', phase: 'compiling', crate: 'serde' });
  plane.events.publish({
    type: 'fault',
    endpoint: 'a',
    generation: 1,
    requestId: 'r9',
    fault: FAULT,
    backtrace: BACKTRACE,
    message: 'memory',
  });
  const text = await readUntil(response, /event: fault/);
  const events = [...text.matchAll(/^event: (\w+)\ndata: (.*)$/gm)].map(([, name, data]) => {
    const json = JSON.parse(data ?? '') as Record<string, string | undefined>;
    assert.equal(json['type'], name);
    assert.match(json['at'] ?? '', /Z$/);
    return `${name} ${json['state'] ?? json['phase'] ?? json['code'] ?? json['request_id'] ?? ''}`;
  });
  assert.deepEqual(events, [
    'endpoint created',
    'endpoint created',
    'build_finished ',
    'endpoint compiled',
    'generation loading',
    'generation serving',
    'endpoint loaded',
    'swap ',
    'endpoint loaded',
    'build_failed compile_failed',
    'build_progress compiling',
    'fault r9',
  ]);
});

test('an empty stream says that it is connected', async () => {
  await using admin = await TestAdmin.open();
  assert.equal(await readUntil(await admin.send('/api/events'), /\n\n/), ': connected\n\n');
});
