/** The guard's functions, typed, over koffi. */
import koffi from 'koffi';
import { GUARD_PROTOTYPES } from '../../src/protocol/guard.ts';

export interface GuardLibrary {
  install(): number;
  open(stackBytes: number): number;
  bind(slot: number, path: string, arenaBytes: number, limitMs: number, report: Buffer): number;
  call(
    image: number,
    entry: number,
    input: Buffer,
    inputLength: number,
    output: Buffer,
    outputCap: number,
    limitMs: number,
    report: Buffer,
  ): number | bigint;
  unbind(image: number, cleanMs: number): number;
  interrupt(slot: number, call: number | bigint): number;
  running(slot: number): number | bigint;
  takeLog(slot: number, output: Buffer, cap: number): number | bigint;
  heapBytes(slot: number, bytes: Buffer): number;
  images(): number;
}

export function loadGuard(path: string): GuardLibrary {
  const library = koffi.load(path);
  const functions = Object.entries(GUARD_PROTOTYPES).map(([name, prototype]) => [name, library.func(prototype)]);
  return Object.fromEntries(functions) as GuardLibrary;
}
