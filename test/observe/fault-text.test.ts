import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faultText } from '../../src/observe/backtrace/fault-text.ts';
import { unknownFrame, type Frame } from '../../src/observe/backtrace/symbol-table.ts';
import { trimFrames } from '../../src/observe/backtrace/trim.ts';
import { faultOf, type FaultKind } from '../../src/protocol/guard.ts';

const frame = (name: string, file: string): Frame => ({ function: name, file, line: 5, offset: '0x10' });

const REPORTING = [
  frame('rust_edge_gateway_sdk::image::host::Host::trace', 'rust-edge-gateway-sdk/src/image/host.rs'),
  frame('std::panicking::panic_with_hook', 'std/src/panicking.rs'),
  frame('__rustc::rust_begin_unwind', 'std/src/panicking.rs'),
  frame('core::panicking::panic_fmt', 'core/src/panicking.rs'),
];
const LIBRARY = frame('core::option::Option::expect', 'core/src/option.rs');
const INNER = frame('handler_a::inner', 'src/work.rs');
const HANDLE = frame('handler_a::handle::{{closure}}', 'src/lib.rs');
const RUNNING = [
  frame('handler_a::only_one::__start::{{closure}}', 'src/lib.rs'),
  frame('std::panicking::catch_unwind', 'std/src/panicking.rs'),
  frame('rust_edge_gateway_sdk::image::runtime::Runtime::poll', 'rust-edge-gateway-sdk/src/image/runtime.rs'),
  frame('handler_entry', 'src/lib.rs'),
];
const HEAP = frame('dlmalloc::Dlmalloc::malloc', 'dlmalloc-0.2.14/src/dlmalloc.rs');

test('what reports a panic and what runs handlers is left out, libraries between them are not', () => {
  const frames = [...REPORTING, LIBRARY, INNER, LIBRARY, HANDLE, ...RUNNING];
  assert.deepEqual(trimFrames('panic', frames), [LIBRARY, INNER, LIBRARY, HANDLE]);
});

test('a crash in a library is told from where it happened', () => {
  assert.deepEqual(trimFrames('memory', [HEAP, LIBRARY, HANDLE, ...RUNNING]), [HEAP, LIBRARY, HANDLE]);
});

test('a panic in the SDK, called by the handler, is told from there', () => {
  const sdk = frame('rust_edge_gateway_sdk::request::Request::json', 'rust-edge-gateway-sdk/src/request.rs');
  assert.deepEqual(trimFrames('panic', [...REPORTING, sdk, ...RUNNING]), [sdk]);
});

test('where nothing of the handler is found, everything is told', () => {
  assert.deepEqual(trimFrames('interrupted', RUNNING), RUNNING);
  assert.deepEqual(trimFrames('panic', REPORTING), REPORTING);
  assert.deepEqual(trimFrames('memory', []), []);
  assert.deepEqual(trimFrames('memory', [unknownFrame(1)]), [unknownFrame(1)]);
});

test('a backtrace has at most 64 frames', () => {
  assert.equal(
    trimFrames(
      'stack_overflow',
      Array.from({ length: 200 }, () => INNER),
    ).length,
    64,
  );
});

const text = (kind: FaultKind, backtrace: readonly Frame[] = [], message: string | null = null): string =>
  faultText({ ...faultOf(kind), code: 3, address: '8', message }, backtrace);

test('a fault is a line that says what it was and where in the handler', () => {
  assert.equal(text('memory', [LIBRARY, INNER]), 'memory fault at address 0x8 in handler_a::inner (src/work.rs:5)');
  assert.equal(text('exit', [HANDLE]), 'exit with status 3 in handler_a::handle (src/lib.rs:5)');
  assert.equal(text('abort', [LIBRARY]), 'abort in core::option::Option::expect (core/src/option.rs:5)');
  assert.equal(text('out_of_memory', [unknownFrame(0x99)]), 'out of memory at offset 0x99 of the library');
  assert.equal(text('arithmetic', [{ ...INNER, line: null }]), 'arithmetic fault in handler_a::inner (src/work.rs)');
  assert.equal(text('abort', [{ ...INNER, file: null, line: null }]), 'abort in handler_a::inner');
  assert.equal(text('invalid_output'), 'output that makes no sense');
});

test("a panic's own message says where it was", () => {
  assert.equal(text('panic', [HANDLE], 'boom, src/lib.rs:5:1'), 'boom, src/lib.rs:5:1');
});
