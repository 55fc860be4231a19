import { readFile } from 'node:fs/promises';
import { AdminError } from '../errors.ts';
import type { Lifecycle } from '../lifecycle/lifecycle.ts';
import type { Logger } from '../observe/log.ts';

/** First line of a shipped example: `//! Route: GET /hello`. */
const ROUTE_LINE = /^\/\/! Route: ([A-Z]+) (\/\S*)$/m;

export interface ExampleOptions {
  readonly lifecycle: Lifecycle;
  readonly log: Logger;
  readonly file: URL;
  readonly id: string;
}

/** Creates and deploys the shipped example, so that there is something to call. Never rejects. */
export async function deployExample(options: ExampleOptions): Promise<void> {
  const { log, id } = options;
  try {
    await deploy(options);
  } catch (error) {
    const reason = error instanceof AdminError && error.code === 'toolchain_missing' ? { hint: RUST_HINT } : {};
    log.warn({ event: 'example_failed', endpoint: id, err: error, ...reason }, 'The example could not be deployed.');
  }
}

const RUST_HINT = 'Rust is missing: install it from https://rustup.rs and deploy the example again.';

async function deploy({ lifecycle, log, file, id }: ExampleOptions): Promise<void> {
  const code = await readFile(file, 'utf8');
  const [, method, path] = ROUTE_LINE.exec(code) ?? [];
  if (method === undefined || path === undefined) throw new Error(`${file.pathname} does not name its route`);
  const limits = { timeoutMs: null, drainTimeoutMs: null, threads: null };
  const description = 'The example the gateway ships with.';
  await lifecycle.create({ id, name: id, domain: '*', method, path, description, code, dependencies: {}, ...limits });
  log.info({ event: 'example', endpoint: id }, `building the example; it will answer ${method} ${path}`);
  await lifecycle.compile(id);
  await lifecycle.deploy(id);
  log.info({ event: 'example_ready', endpoint: id }, `the example answers ${method} ${path}`);
}
