/** Every sentence of the handler lifecycle, on the real program: one test each, named after it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { answering, kit, sleeping } from '../support/code.ts';
import { eventually } from '../support/eventually.ts';
import { mappedImages, RunningGateway, TEST_BUILD_DIR, type ApiData } from '../support/gateway.ts';

const run = promisify(execFile);
const BROKEN = 'use rust_edge_gateway_sdk::prelude::*;\n\n#[handler]\nfn handle() -> Response {\n    missing()\n}\n';

let gateway: RunningGateway;
before(async () => {
  gateway = await RunningGateway.start();
});
after(async () => {
  await gateway[Symbol.asyncDispose]();
});

const endpoint = (id: string): Promise<ApiData> => gateway.must('GET', `/endpoints/${id}`);
const stateOf = async (id: string): Promise<unknown> => (await endpoint(id))['state'];
const create = (id: string, code?: string): Promise<ApiData> =>
  gateway.must('POST', '/endpoints', { id, name: id, path: `/${id}`, ...(code === undefined ? {} : { code }) });
const compile = (id: string): Promise<ApiData> => gateway.must('POST', `/endpoints/${id}/compile`);
const deploy = (id: string): Promise<ApiData> => gateway.must('POST', `/endpoints/${id}/deploy`);
const pid = async (): Promise<number> => (await gateway.servingPids())[0] ?? 0;
const generations = async (id: string): Promise<ApiData[]> =>
  (await gateway.must('GET', `/endpoints/${id}/generations`)) as unknown as ApiData[];
const textOf = async (path: string): Promise<string> => (await gateway.fetch(path)).text();

describe('endpoint states', () => {
  test('created: the endpoint is defined but its code not yet compiled', async () => {
    assert.equal((await create('stated', answering('stated')))['state'], 'created');
    const answer = await gateway.fetch('/stated');
    assert.equal(answer.status, 503);
    assert.equal(((await answer.json()) as { code: string }).code, 'endpoint_not_loaded');
  });

  test('compiled: the code is compiled to a dynamic library, ready to load', async () => {
    const { state, build } = (await compile('stated')) as { state: string; build: { digest: string } };
    assert.equal(state, 'compiled');
    await access(join(gateway.folder, 'data', 'artifacts', `${build.digest}.so`));
    assert.equal(await stateOf('stated'), 'compiled');
    assert.equal((await gateway.fetch('/stated')).status, 503);
  });

  test('loaded: the library is loaded into the gateway and handles requests', async () => {
    const { state, generation, swap_ms: swapMs } = await deploy('stated');
    assert.deepEqual({ state, generation }, { state: 'loaded', generation: 1 });
    assert.equal(typeof swapMs, 'number');
    assert.equal(await textOf('/stated'), 'stated');
    assert.equal(await stateOf('stated'), 'loaded');
  });

  test('draining: the old handler finishes requests in flight during an update', async () => {
    await gateway.deploy('draining', { code: sleeping('old') });
    const slow = textOf('/draining?ms=1500');
    await eventually(
      'the slow request is in flight',
      async () => (await generations('draining'))[0]?.['in_flight'] === 1,
    );
    const { state, generation } = await gateway.redeploy('draining', sleeping('new'));
    assert.deepEqual({ state, generation }, { state: 'draining', generation: 2 });
    const [newer, older] = await generations('draining');
    assert.equal(newer?.['state'], 'serving');
    assert.deepEqual([older?.['state'], older?.['in_flight']], ['draining', 1]);
    assert.equal(await textOf('/draining'), 'new');
    assert.equal(await slow, 'old');
    await eventually('the endpoint is loaded again', async () => (await stateOf('draining')) === 'loaded');
  });

  test('error: a compilation error is told, and nothing else changes', async () => {
    await gateway.must('PUT', '/endpoints/stated/code', { code: BROKEN });
    const failed = await gateway.api('POST', '/endpoints/stated/compile');
    assert.equal(failed.status, 422);
    assert.equal((await endpoint('stated'))['state'], 'loaded');
    assert.equal(((await endpoint('stated'))['last_error'] as { code: string }).code, 'compile_failed');
  });
});

describe('compilation', () => {
  const project = (): string => join(gateway.folder, 'handlers', 'my-project');

  test('creates a Cargo project in the handlers directory, with the code in src/lib.rs', async () => {
    await create('my-project', answering('project'));
    await compile('my-project');
    assert.equal(await readFile(join(project(), 'src', 'lib.rs'), 'utf8'), answering('project'));
  });

  test('generates Cargo.toml with the SDK dependency and the cdylib crate type', async () => {
    const manifest = await readFile(join(project(), 'Cargo.toml'), 'utf8');
    for (const line of [
      'name = "handler_my_project"',
      'version = "0.1.0"',
      'edition = "2021"',
      'crate-type = ["cdylib"]',
      'serde = { version = "1", features = ["derive"] }',
      'serde_json = "1"',
    ]) {
      assert.ok(manifest.includes(`${line}\n`), `Cargo.toml has ${line}`);
    }
    assert.match(manifest, /^rust-edge-gateway-sdk = \{ path = ".*crates\/rust-edge-gateway-sdk" \}$/m);
    await access(join(project(), 'Cargo.lock'));
  });

  test('produces a dynamic library in target/release', async () => {
    await access(join(project(), 'target', 'release', 'libhandler_my_project.so'));
  });

  test('cargo build --release by hand in the folder works too', async () => {
    await run('cargo', ['build', '--release'], { cwd: project() });
    await access(join(TEST_BUILD_DIR, '..'));
  });

  test('code that begins with inner attributes or a file comment compiles', async () => {
    const code = `//! A handler with a file comment.\n#![allow(dead_code)]\n${answering('inner')}\nfn unused() {}\n`;
    await gateway.deploy('inner', { code });
    assert.equal(await textOf('/inner'), 'inner');
  });

  test('the same source built before is answered from the artifact store', async () => {
    const { build } = (await compile('my-project')) as { build: { cached: boolean } };
    assert.equal(build.cached, true);
  });

  test('saving never touches what is running', async () => {
    await deploy('my-project');
    await gateway.must('PUT', '/endpoints/my-project/code', { code: answering('saved') });
    assert.equal(await textOf('/my-project'), 'project');
    await compile('my-project');
    assert.equal(await textOf('/my-project'), 'project');
  });
});

describe('compilation errors', () => {
  test('the message is captured and displayed, with the line of the saved source', async () => {
    await gateway.deploy('broken', { code: answering('whole') });
    await gateway.must('PUT', '/endpoints/broken/code', { code: BROKEN });
    const { status, error } = await gateway.api('POST', '/endpoints/broken/compile');
    assert.equal(status, 422);
    assert.equal(error.code, 'compile_failed');
    assert.match(error.message, /cannot find function `missing`/);
    const [detail] = error.details as ApiData[];
    assert.equal(detail?.['level'], 'error');
    assert.equal(detail?.['line'], 5);
    assert.match(String(detail?.['file']), /src\/lib\.rs$/);
  });

  test('the endpoint stays in its previous state and the previous library remains loaded', async () => {
    assert.equal(await stateOf('broken'), 'loaded');
    assert.equal(await textOf('/broken'), 'whole');
    assert.equal((await mappedImages(await pid(), 'broken')).length > 0, true);
  });

  test('the next good build clears the error', async () => {
    await gateway.redeploy('broken', answering('mended'));
    assert.equal((await endpoint('broken'))['last_error'], null);
    assert.equal(await textOf('/broken'), 'mended');
  });
});

describe('hot swapping with graceful draining', () => {
  test('after the swap every new request goes to the new handler, the old one finishes what it has and is unloaded', async () => {
    await gateway.deploy('swapping', { code: sleeping('first') });
    const slow = textOf('/swapping?ms=1000');
    await eventually(
      'the slow request is in flight',
      async () => (await generations('swapping'))[0]?.['in_flight'] === 1,
    );
    await gateway.redeploy('swapping', sleeping('second'));
    assert.equal(await textOf('/swapping'), 'second');
    assert.equal(await slow, 'first');
    const older = await eventually('generation 1 is retired', async () => {
      const [, first] = await generations('swapping');
      return first?.['state'] === 'retired' && first;
    });
    assert.equal(older['outcome'], 'drained');
    assert.equal(older['requests'], 1);
    const mapped = await mappedImages(await pid(), 'swapping');
    assert.ok(mapped.length > 0 && mapped.every(image => image.includes('.g2.')), mapped.join());
  });

  test('a library that used thread-locals with destructors, and one that panicked, are unmapped too', async () => {
    await gateway.deploy('unmapped', kit());
    for (const op of ['work', 'panic', 'work', 'panic_later']) await gateway.fetch(`/unmapped?op=${op}`);
    await gateway.redeploy('unmapped', answering('gone'));
    await eventually('only generation 2 is mapped', async () => {
      const mapped = await mappedImages(await pid(), 'unmapped');
      return mapped.length > 0 && mapped.every(image => image.includes('.g2.'));
    });
  });

  test('three generations: a deploy during a drain starts a third beside two draining ones', async () => {
    await gateway.deploy('triple', { code: sleeping('one') });
    const first = textOf('/triple?ms=2500');
    await eventually('the first is in flight', async () => (await generations('triple'))[0]?.['in_flight'] === 1);
    await gateway.redeploy('triple', sleeping('two'));
    const second = textOf('/triple?ms=2500');
    await eventually('the second is in flight', async () => (await generations('triple'))[0]?.['in_flight'] === 1);
    await gateway.redeploy('triple', sleeping('three'));
    assert.deepEqual(
      (await generations('triple')).map(one => one['state']),
      ['serving', 'draining', 'draining'],
    );
    assert.equal(await textOf('/triple'), 'three');
    assert.deepEqual(await Promise.all([first, second]), ['one', 'two']);
  });

  test('two deploys at once of the same endpoint are serialised', async () => {
    await gateway.deploy('serialised', { code: answering('again') });
    const answers = await Promise.all([deploy('serialised'), deploy('serialised'), deploy('serialised')]);
    assert.deepEqual(
      answers.map(answer => Number(answer['generation'])).toSorted((a, b) => a - b),
      [2, 3, 4],
    );
    assert.equal(await textOf('/serialised'), 'again');
  });
});

describe('drain timeout', () => {
  test('a handler that does not drain in time is forcefully unloaded, and its requests are told', async () => {
    await gateway.deploy('forced', { code: sleeping('late'), drain_timeout_ms: 100 });
    const slow = gateway.fetch('/forced?ms=20000');
    await eventually(
      'the slow request is in flight',
      async () => (await generations('forced'))[0]?.['in_flight'] === 1,
    );
    await gateway.redeploy('forced', sleeping('next'));
    const answer = await slow;
    assert.equal(answer.status, 503);
    assert.equal(((await answer.json()) as { code: string }).code, 'handler_drain_forced');
    const older = await eventually('generation 1 is retired', async () => {
      const [, first] = await generations('forced');
      return first?.['state'] === 'retired' && first;
    });
    assert.equal(older['outcome'], 'forced');
    await eventually('it is unmapped', async () =>
      (await mappedImages(await pid(), 'forced')).every(image => image.includes('.g2.')),
    );
  });

  test('a handler that burns is interrupted by a forced drain', async () => {
    await gateway.deploy('burning', { ...kit(), drain_timeout_ms: 100 });
    const burning = gateway.fetch('/burning?op=loop');
    await eventually('it is in flight', async () => (await generations('burning'))[0]?.['in_flight'] === 1);
    await gateway.must('POST', '/endpoints/burning/undeploy');
    assert.equal((await burning).status, 503);
    assert.deepEqual(await mappedImages(await pid(), 'burning'), []);
    assert.equal(await stateOf('burning'), 'compiled');
  });
});

describe('runtime errors', () => {
  test('a panic is caught, logged, answered with a 500, and other handlers continue', async () => {
    await gateway.deploy('panicking', kit());
    const answer = await gateway.fetch('/panicking?op=panic');
    assert.equal(answer.status, 500);
    const body = (await answer.json()) as Record<string, string>;
    assert.equal(body['code'], 'handler_panicked');
    assert.doesNotMatch(JSON.stringify(body), /boom|\.rs/);
    const line = await gateway.log(one => one['request_id'] === body['request_id'] && one.level === 'error');
    assert.equal(line['endpoint'], 'panicking');
    assert.match(JSON.stringify(line), /boom/);
    assert.equal(await textOf('/stated'), 'stated');
    assert.equal((await gateway.fetch('/panicking?op=work')).status, 200);
  });

  test("a handler's Err is a response", async () => {
    await gateway.deploy('graceful', {
      code: `use rust_edge_gateway_sdk::prelude::*;

#[derive(Deserialize)]
struct MyInput {
    name: String,
}

#[handler]
pub async fn handle(ctx: &Context, req: Request) -> Response {
    match process_request(ctx, &req).await {
        Ok(data) => Response::ok(data),
        Err(e) => e.to_response(),
    }
}

async fn process_request(_ctx: &Context, req: &Request) -> Result<JsonValue, HandlerError> {
    let body: MyInput = req.json().map_err(|e| HandlerError::ValidationError(e.to_string()))?;
    Ok(json!({"result": body.name}))
}
`,
      method: 'POST',
    });
    const bad = await gateway.fetch('/graceful', { method: 'POST', body: '{' });
    assert.equal(bad.status, 400);
    assert.match(((await bad.json()) as { error: string }).error, /^Validation error: Bad request: Invalid JSON: /);
    const good = await gateway.fetch('/graceful', { method: 'POST', body: '{"name":"x"}' });
    assert.deepEqual(await good.json(), { result: 'x' });
  });
});

describe('undeploy, rollback and delete', () => {
  test('undeploy refuses new requests, unmaps, and leaves the endpoint compiled', async () => {
    await gateway.deploy('parked', { code: answering('parked') });
    const { state } = await gateway.must('POST', '/endpoints/parked/undeploy');
    assert.equal(state, 'compiled');
    assert.deepEqual(await mappedImages(await pid(), 'parked'), []);
    assert.equal((await gateway.fetch('/parked')).status, 503);
    await deploy('parked');
    assert.equal(await textOf('/parked'), 'parked');
  });

  test('rollback makes a new generation of the build that served before; twice goes there and back', async () => {
    await gateway.deploy('rolled', { code: answering('first') });
    assert.equal((await gateway.api('POST', '/endpoints/rolled/rollback')).error.code, 'no_earlier_generation');
    await gateway.redeploy('rolled', answering('second'));
    const back = await gateway.must('POST', '/endpoints/rolled/rollback');
    assert.equal(back['generation'], 3);
    assert.equal(await textOf('/rolled'), 'first');
    await gateway.must('POST', '/endpoints/rolled/rollback');
    assert.equal(await textOf('/rolled'), 'second');
  });

  test('delete takes the endpoint, its project folder and its route away', async () => {
    await gateway.deploy('deleted', { code: answering('deleted') });
    await gateway.must('DELETE', '/endpoints/deleted');
    assert.equal((await gateway.fetch('/deleted')).status, 404);
    assert.equal((await gateway.api('GET', '/endpoints/deleted')).status, 404);
    await assert.rejects(access(join(gateway.folder, 'handlers', 'deleted')));
    assert.deepEqual(await mappedImages(await pid(), 'deleted'), []);
  });
});

test('a build is loaded ahead of its deploy under the name "next", and has its generation’s name from the deploy on', async () => {
  await using gateway = await RunningGateway.start();
  await gateway.deploy('swapped', { code: answering('old') });
  const mapped = async (): Promise<unknown> => (await gateway.must('GET', '/stats'))['libraries_mapped'];
  await eventually('the example serves', async () => (await gateway.fetch('/hello')).ok);
  const before = await mapped();
  await gateway.must('PUT', '/endpoints/swapped/code', { code: answering('new') });
  await gateway.must('POST', '/endpoints/swapped/compile');
  const [serving = 0] = await gateway.servingPids();
  const names = async (): Promise<string[]> => {
    const maps = await readFile(`/proc/${serving}/maps`, 'utf8');
    return [...new Set(maps.match(/(?<=libhandler_swapped\.)\w+/g))].toSorted();
  };
  await eventually('it is loaded', async () => (await names()).join() === 'g1,next');
  await eventually('it is counted as none of a generation', async () => (await mapped()) === before);
  assert.equal(await (await gateway.fetch('/swapped')).text(), 'old');
  const { swap_ms, load_ms } = await gateway.must('POST', '/endpoints/swapped/deploy');
  assert.ok(Number(load_ms) < Number(swap_ms));
  assert.equal(await (await gateway.fetch('/swapped')).text(), 'new');
  // What a rollback would go back to is the next one now.
  await eventually('it has its name', async () => (await names()).join() === 'g2,next');
  assert.equal((await gateway.must('POST', '/endpoints/swapped/rollback'))['generation'], 3);
  assert.equal(await (await gateway.fetch('/swapped')).text(), 'old');
});
