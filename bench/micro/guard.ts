/**
 * What containment costs a call: an entry point that does nothing, called through the guard with a time limit as the
 * workers do, against the same function called by koffi directly. Both are called in turns on one thread; medians with
 * raw values. It does not say what a fault costs, nor what travels with a request.
 *
 *     npm run bench:guard -- --calls 1000000 --rounds 9
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import koffi from 'koffi';
import { CALL_FAULTED, ENTRY, REPORT_BYTES, reportMessage } from '../../src/protocol/guard.ts';
import { loadGuard } from '../../test/guard/guard-library.ts';
import { buildGuard } from '../../test/guard/libraries.ts';
import { ROOT } from '../../test/support/source-tree.ts';
import { readNumbers } from '../harness/numbers.ts';
import { printTable, writeResult, type Row } from '../report/table.ts';
import { median, rounded } from '../report/statistics.ts';

const ENTRY_PROTOTYPE = 'int64_t handler_entry(const uint8_t* in, size_t len, uint8_t* out, size_t cap)';
const STACK_BYTES = 1024 * 1024;
const ARENA_BYTES = 8 * 1024 * 1024;
const BIND_LIMIT_MS = 5_000;
/** The default of HANDLER_TIMEOUT_SECS. */
const CALL_LIMIT_MS = 30_000;

type Call = () => number | bigint;

interface Contestant {
  readonly name: string;
  readonly call: Call;
  readonly nanoseconds: number[];
}

const contestant = (name: string, call: Call): Contestant => ({ name, call, nanoseconds: [] });

function compileEmptyHandler(folder: string): string {
  const output = join(folder, 'empty-handler.so');
  const include = join(ROOT, 'crates/rust-edge-gateway-abi/include');
  const source = join(import.meta.dirname, 'empty-handler.c');
  execFileSync('cc', ['-std=c11', '-O2', '-shared', '-fPIC', `-I${include}`, source, '-o', output]);
  return output;
}

/** A function of one image of the library, called through the guard. */
function guardedCall(guardPath: string, library: string, input: Buffer, output: Buffer): Call {
  const guard = loadGuard(guardPath);
  const report = Buffer.alloc(REPORT_BYTES);
  if (guard.install() !== 0) throw new Error('The guard cannot set its signal handlers up.');
  const slot = guard.open(STACK_BYTES);
  const image = guard.bind(slot, library, ARENA_BYTES, BIND_LIMIT_MS, report);
  if (image < 0) throw new Error(`The empty handler cannot be bound: ${image} ${reportMessage(report)}`);
  return () => guard.call(image, ENTRY.entry, input, input.length, output, output.length, CALL_LIMIT_MS, report);
}

function directCall(library: string, input: Buffer, output: Buffer): Call {
  const entry = koffi.load(library).func(ENTRY_PROTOTYPE) as (
    input: Buffer,
    inputBytes: number,
    output: Buffer,
    outputBytes: number,
  ) => number | bigint;
  return () => entry(input, input.length, output, output.length);
}

/** Nanoseconds that one call takes, on average of so many. */
function timed(call: Call, calls: number): number {
  let wrong = 0;
  const startedAt = performance.now();
  for (let done = 0; done < calls; done += 1) if (Number(call()) !== 0) wrong += 1;
  const nanoseconds = ((performance.now() - startedAt) * 1e6) / calls;
  if (wrong > 0) throw new Error(`${wrong} calls did not give 0; a fault is ${CALL_FAULTED}.`);
  return nanoseconds;
}

function measure(contestants: readonly Contestant[], calls: number, rounds: number): void {
  for (const { call } of contestants) timed(call, calls);
  for (let round = 0; round < rounds; round += 1) {
    for (const { call, nanoseconds } of round % 2 === 0 ? contestants : contestants.toReversed()) {
      nanoseconds.push(timed(call, calls));
    }
  }
}

const toRow = (call: string, nanoseconds: readonly number[]): Row => ({
  call,
  'median ns': rounded(median(nanoseconds), 0),
  'raw ns': nanoseconds.map(value => Math.round(value)).join(' '),
});

const { calls, rounds } = readNumbers({ calls: 1_000_000, rounds: 9 });
const folder = mkdtempSync(join(tmpdir(), 'bench-guard-'));
try {
  const library = compileEmptyHandler(folder);
  // Two files, for the dynamic linker would take one for the same library.
  const image = join(folder, 'image.so');
  copyFileSync(library, image);
  const [input, output] = [Buffer.alloc(256), Buffer.alloc(64 * 1024)];
  const direct = contestant('koffi alone', directCall(library, input, output));
  const guarded = contestant('koffi and guard', guardedCall(await buildGuard(), image, input, output));
  measure([direct, guarded], calls, rounds);
  const added = guarded.nanoseconds.map((nanoseconds, round) => nanoseconds - (direct.nanoseconds[round] ?? 0));
  const rows = [
    ...[direct, guarded].map(({ name, nanoseconds }) => toRow(name, nanoseconds)),
    toRow('the guard', added),
  ];
  printTable(`an entry point that does nothing, ${rounds} rounds of ${calls} calls`, rows);
  writeResult('guard', { calls, rounds, rows });
} finally {
  rmSync(folder, { recursive: true });
}
