/** Handler sources for tests. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EndpointOptions } from './gateway.ts';
import { ROOT } from './source-tree.ts';

/** A handler that answers with a fixed text: two of them tell generations apart. */
export const answering = (text: string): string => `use rust_edge_gateway_sdk::prelude::*;

#[handler]
pub async fn handle(_req: Request) -> Response {
    Response::text(200, ${JSON.stringify(text)})
}
`;

/** A handler that waits as long as `?ms=` says, then answers with a fixed text. */
export const sleeping = (text: string): string => `use rust_edge_gateway_sdk::prelude::*;
use std::time::Duration;

#[handler]
pub async fn handle(ctx: &Context, req: Request) -> Response {
    let ms = req.query_param_as::<u64>("ms").unwrap_or(0);
    if ms > 0 {
        ctx.sleep(Duration::from_millis(ms)).await;
    }
    Response::text(200, ${JSON.stringify(text)})
}
`;

/** The handler that can do everything a handler can do, and everything it should not: `?op=` says what. */
export const kit = (): EndpointOptions => ({
  code: readFileSync(join(ROOT, 'test/fixtures/kit.rs'), 'utf8'),
  dependencies: { libc: '0.2' },
  method: 'ANY',
});

export const example = (name: string): string => readFileSync(join(ROOT, 'handlers', `${name}.rs`), 'utf8');

/** The handler that takes memory in every way: `?op=` says which. */
export const memory = (): EndpointOptions => ({
  code: readFileSync(join(ROOT, 'test/fixtures/memory.rs'), 'utf8'),
  method: 'ANY',
});
