import assert from 'node:assert/strict';
import { closeSync, ftruncateSync, writeSync } from 'node:fs';
import { test } from 'node:test';
import type { EndpointSpec } from '../../src/protocol/control.ts';
import { NO_TICKET, mapFlipPage, ticketWord, versionWord } from '../../src/protocol/flip-page.ts';
import { FlipPage } from '../../src/supervisor/fleet/flip-page.ts';
import { spec } from '../serving/harness.ts';

const turn = (page: FlipPage, version: number, id: string, endpoint: EndpointSpec | null): void =>
  page.turn({ version, id, endpoint });

test('what the supervisor writes is what a process reads behind the descriptor', () => {
  const { fd, page } = FlipPage.open();
  const seen = mapFlipPage(fd, 'read');
  assert.throws(() => writeSync(fd, Buffer.alloc(8), 0, 8, 0), { code: 'EPERM' });
  assert.throws(() => ftruncateSync(fd, 0), { code: 'EPERM' });
  assert.throws(() => mapFlipPage(fd, 'write'), /cannot be mapped/);
  closeSync(fd);
  const place = page.place('a') ?? -1;
  const ticket = page.ticket(spec('a', 2));
  turn(page, 7, 'a', spec('a', 2));
  assert.deepEqual([seen[ticketWord(place)], seen[versionWord(place)]], [ticket, 7]);
  assert.notEqual(ticket, NO_TICKET);
});

test('a ticket stands for one build under one number', () => {
  const page = new FlipPage(new Int32Array(8));
  const first = page.ticket(spec('a', 2));
  assert.equal(page.ticket(spec('a', 2)), first);
  const other = page.ticket({ ...spec('a', 2), serving: { generation: 2, artifactPath: '/another' } });
  assert.notEqual(other, first);
  assert.notEqual(page.ticket(spec('b', 2)), other);
});

test('a commit of what was not prepared, or prepared as another build, tells no ticket', () => {
  const words = new Int32Array(8);
  const page = new FlipPage(words);
  const place = page.place('a') ?? -1;
  page.ticket({ ...spec('a', 2), serving: { generation: 2, artifactPath: '/another' } });
  turn(page, 1, 'a', spec('a', 2));
  assert.equal(words[ticketWord(place)], NO_TICKET);
  page.ticket(spec('a', 2));
  turn(page, 2, 'a', spec('a', 2));
  assert.notEqual(words[ticketWord(place)], NO_TICKET);
  turn(page, 3, 'a', null);
  assert.equal(words[ticketWord(place)], NO_TICKET);
});

test('a guess for the next number takes nothing from the deploy it runs beside', () => {
  const words = new Int32Array(4);
  const page = new FlipPage(words);
  const place = page.place('a') ?? -1;
  const tickets = [page.ticket(spec('a', 2)), page.ticket(spec('a', 3))];
  for (const generation of [2, 3]) {
    turn(page, generation, 'a', spec('a', generation));
    assert.equal(words[ticketWord(place)], tickets[generation - 2]);
  }
  turn(page, 4, 'a', spec('a', 3));
  assert.equal(words[ticketWord(place)], tickets[1], 'other limits for what serves');
});

test('places run out, and those of deleted endpoints come back', () => {
  const page = new FlipPage(new Int32Array(4));
  assert.deepEqual([page.place('a'), page.place('b'), page.place('c'), page.place('a')], [0, 1, null, 0]);
  turn(page, 1, 'c', spec('c', 1));
  page.forget('a');
  assert.deepEqual([page.place('c'), page.place('a')], [0, null]);
});
