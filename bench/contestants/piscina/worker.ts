/** Runs in the threads of the pool: calls the native functions. */
import koffi from 'koffi';
import { pause } from '../common/answers.ts';

const OUTPUT_BYTES = 2 * 1024 * 1024;

const library = koffi.load(process.env['LIBRARY'] ?? '');
const hello = library.func('int32_t hello(uint8_t *out)') as (out: Uint8Array) => number;
const burn = library.func('int32_t burn(uint8_t *out)') as (out: Uint8Array) => number;
const copy = library.func('int32_t copy(const uint8_t *in, int32_t length, uint8_t *out)') as (
  input: Uint8Array,
  length: number,
  out: Uint8Array,
) => number;
const output = Buffer.alloc(OUTPUT_BYTES);

const written = (length: number): string => output.latin1Slice(0, length);

const endpoints = {
  hello: () => written(hello(output)),
  burn: () => written(burn(output)),
  echo: (body: Uint8Array) => JSON.stringify(JSON.parse(Buffer.from(body).toString())),
  raw: (body: Uint8Array) => Uint8Array.from(output.subarray(0, copy(body, body.length, output))),
  upload: (body: Uint8Array) => String(body.length),
  order: (_body: Uint8Array, parameters: object) => JSON.stringify(parameters),
  sleep: async (_body: Uint8Array, parameters: { readonly ms?: string }) => {
    await pause(Number(parameters.ms));
    return 'slept';
  },
} as const;

export interface Task {
  readonly endpoint: keyof typeof endpoints;
  readonly body: Uint8Array;
  readonly parameters: Readonly<Record<string, string | undefined>>;
}

export default ({ endpoint, body, parameters }: Task): unknown => endpoints[endpoint](body, parameters);
