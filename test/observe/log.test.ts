import assert from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { LIMITS } from '../../src/config.ts';
import { LogOutlet, type LogSink } from '../../src/observe/log-outlet.ts';
import { ROOT } from '../support/source-tree.ts';

/** Takes so many bytes, and then no more until a test gives it room. */
class FakeSink implements LogSink {
  room = Number.POSITIVE_INFINITY;
  isBroken = false;
  text = '';

  isWritable(): boolean {
    return this.room > 0;
  }

  write(bytes: Uint8Array): number {
    if (this.isBroken) throw new Error('ENOSPC');
    const taken = Math.min(this.room, bytes.length);
    this.room -= taken;
    this.text += Buffer.from(bytes).toString('latin1', 0, taken);
    return taken;
  }
}

function outlets(): { sink: FakeSink; outlet: LogOutlet } {
  const sink = new FakeSink();
  const outlet: LogOutlet = new LogOutlet(sink, lines => outlet.write(`${lines} dropped\n`));
  return { sink, outlet };
}

const LINE = `${'x'.repeat(1_023)}\n`;
const LINES_KEPT = LIMITS.logBytesWaitingMax / LINE.length;

test('a line is written at once, and what does not fit waits for the next one, in order', () => {
  const { sink, outlet } = outlets();
  outlet.write('one\n');
  assert.equal(sink.text, 'one\n');
  sink.room = 2;
  for (const line of ['two\n', 'three\n']) outlet.write(line);
  assert.equal(sink.text, 'one\ntw');
  sink.room = 10_000;
  outlet.write('four\n');
  assert.equal(sink.text, 'one\ntwo\nthree\nfour\n');
});

test('what waits is tried again when no other line comes', async () => {
  const { sink, outlet } = outlets();
  const { promise: written, resolve } = Promise.withResolvers<Uint8Array>();
  sink.room = 0;
  outlet.write('waits\n');
  sink.write = bytes => {
    resolve(bytes);
    return bytes.length;
  };
  sink.room = 100;
  // Nothing else keeps the program alive: the outlet must not do so by itself.
  const alive = setInterval(() => {}, 1_000);
  assert.equal(String(await written), 'waits\n');
  clearInterval(alive);
});

test('lines past the bound are dropped, and counted when it flows again', () => {
  const { sink, outlet } = outlets();
  sink.room = 0;
  for (let line = 0; line < LINES_KEPT + 3; line += 1) outlet.write(LINE);
  sink.room = LIMITS.logBytesWaitingMax / 4;
  outlet.write('no room\n');
  assert.equal(sink.text.length, LIMITS.logBytesWaitingMax / 4);
  sink.room = Number.POSITIVE_INFINITY;
  outlet.write('room\n');
  assert.equal(sink.text, `${LINE.repeat(LINES_KEPT)}room\n4 dropped\n`);
});

test('a sink that fails is one that takes nothing', () => {
  const { sink, outlet } = outlets();
  sink.isBroken = true;
  outlet.write('one\n');
  outlet.flush();
  sink.isBroken = false;
  outlet.write('two\n');
  assert.equal(sink.text, 'one\ntwo\n');
});

function writer(...args: string[]): ChildProcess {
  const stdio: ('ignore' | 'pipe' | 'inherit' | 'ipc')[] = ['ignore', 'pipe', 'inherit', 'ipc'];
  return fork(join(ROOT, 'test/fixtures/log-writer.ts'), args, { stdio, execArgv: [] });
}

type Line = Readonly<Record<string, unknown>>;

/** Reads all it writes; `seen` hears of each line as it comes. */
async function linesOf({ stdout }: ChildProcess, seen: (line: Line) => void = () => {}): Promise<Line[]> {
  assert.ok(stdout);
  const lines: Line[] = [];
  for await (const text of createInterface({ input: stdout })) {
    const line = JSON.parse(text) as Line;
    lines.push(line);
    seen(line);
  }
  return lines;
}

test('a program whose output nobody reads goes on, and says what it dropped', async () => {
  const written = 4_000;
  const child = writer(String(written));
  assert.deepEqual(await once(child, 'message'), ['through', undefined]);
  let dropped = 0;
  const lines = await linesOf(child, ({ event, lines }) => {
    if (event !== 'log_lines_dropped') return;
    dropped += Number(lines);
    child.send('end');
  });
  assert.ok(dropped > 0);
  assert.equal(lines.filter(({ msg }) => msg === 'written').length + dropped, written);
  assert.equal(lines.at(-1)?.['msg'], 'the last one');
});

test('nothing is lost at an exit, though more is written than a pipe holds', async () => {
  const child = writer('900', 'end');
  assert.equal((await linesOf(child)).length, 900);
});

test('a program whose output nobody reads ends all the same', async () => {
  const child = writer('900', 'end');
  assert.deepEqual(await once(child, 'exit'), [0, null]);
  child.stdout?.destroy();
});
