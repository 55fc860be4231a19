/** A warm spare takes over from a gateway process that is killed, or that asks to be replaced. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { answering } from '../support/code.ts';
import { eventually } from '../support/eventually.ts';
import { mappedImages, RunningGateway } from '../support/gateway.ts';
import { freeze, settled } from '../support/places.ts';
import { ROOT } from '../support/source-tree.ts';

/**
 * Answers with the process it runs in, after `?ms=`; `?op=suspect` faults in libc, `?op=loop` never ends, `?op=keep` has
 * its image stay mapped.
 */
const TELLTALE = `use rust_edge_gateway_sdk::prelude::*;
use std::time::Duration;

extern "C" fn greater(_: *const libc::c_void, _: *const libc::c_void) -> i32 {
    1
}

#[handler]
pub async fn handle(ctx: &Context, req: Request) -> Response {
    match req.query_param("op").map(String::as_str) {
        Some("suspect") => unsafe { libc::qsort(std::hint::black_box(8 as *mut _), 2, 4, Some(greater)) },
        Some("loop") => loop {
            std::hint::black_box(ctx);
        },
        Some("keep") => unsafe {
            let mut own: libc::Dl_info = std::mem::zeroed();
            libc::dladdr(greater as *const libc::c_void, &mut own);
            // The image's own is refused.
            let found = libc::dlsym(libc::RTLD_DEFAULT, c"dlopen".as_ptr());
            let dlopen: extern "C" fn(*const libc::c_char, i32) -> *mut libc::c_void = std::mem::transmute(found);
            dlopen(own.dli_fname, libc::RTLD_NOW | libc::RTLD_NOLOAD | libc::RTLD_NODELETE);
        },
        _ => {}
    }
    ctx.sleep(Duration::from_millis(req.query_param_as("ms").unwrap_or(0))).await;
    Response::text(200, std::process::id().to_string())
}
`;
const DEAF = readFileSync(join(ROOT, 'test/fixtures/deaf.rs'), 'utf8');
const telltale = { code: TELLTALE, dependencies: { libc: '0.2' }, threads: 1 };

/** Asks over a connection of its own. */
async function ask(gateway: RunningGateway, path: string): Promise<string> {
  return (await gateway.fetch(path, { headers: { connection: 'close' } })).text();
}

test('killed: the spare answers what waits in the socket and all that comes, with the newest generation', async () => {
  await using gateway = await RunningGateway.start();
  await settled(gateway);
  // All deployed after the spare was started.
  await gateway.deploy('telltale', telltale);
  await gateway.deploy('swapped', { code: answering('old') });
  await gateway.redeploy('swapped', answering('new'));
  await gateway.deploy('parked', { code: answering('parked') });
  await gateway.must('POST', '/endpoints/parked/undeploy');
  const { serving, spare } = await settled(gateway);
  await freeze(serving);
  const { hostname, port } = new URL(gateway.url);
  const waiting = connect(Number(port), hostname);
  await once(waiting, 'connect');
  // Not ended by the client: Node takes that for a client that leaves, and so does the gateway.
  waiting.write('GET /telltale HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n');
  process.kill(serving, 'SIGKILL');
  assert.ok((await text(waiting)).endsWith(`\r\n\r\n${spare}`));
  assert.equal(await ask(gateway, '/telltale'), String(spare));
  assert.equal(await ask(gateway, '/swapped'), 'new');
  assert.match(await ask(gateway, '/parked'), /endpoint_not_loaded/);
  const after = await settled(gateway);
  assert.equal(after.serving, spare);
  assert.notEqual(after.spare, serving);
  assert.match(await gateway.metrics(), /process_restarts_total\{reason="SIGKILL"\} 1\n/);
  const { state, generation } = await gateway.must('GET', '/endpoints/swapped');
  assert.deepEqual({ state, generation }, { state: 'loaded', generation: 2 });
});

test('a process and its spare killed at once: a fresh process answers', async () => {
  await using gateway = await RunningGateway.start();
  await gateway.deploy('telltale', telltale);
  const { serving, spare } = await settled(gateway);
  process.kill(serving, 'SIGKILL');
  process.kill(spare, 'SIGKILL');
  const answered = Number(await ask(gateway, '/telltale'));
  assert.equal((await settled(gateway)).serving, answered);
  assert.ok(![serving, spare].includes(answered));
});

test('a suspect fault: the spare takes new connections, what is in flight finishes, then the old process ends', async () => {
  await using gateway = await RunningGateway.start();
  await gateway.deploy('telltale', telltale);
  await gateway.deploy('other', telltale);
  const { serving, spare } = await settled(gateway);
  const inFlight = ask(gateway, '/other?ms=1500');
  await eventually('it is in flight', async () => (await gateway.must('GET', '/stats'))['in_flight'] === 1);
  assert.match(await ask(gateway, '/telltale?op=suspect'), /handler_crashed/);
  await eventually('new connections go to the spare', async () => (await ask(gateway, '/telltale')) === String(spare));
  assert.equal(await inFlight, String(serving), 'the old process has finished what it had');
  const after = await settled(gateway);
  assert.equal(after.serving, spare);
  assert.match(await gateway.metrics(), /process_restarts_total\{reason="suspect"\} 1\n/);
  assert.match(await gateway.metrics(), /handler_faults_total\{endpoint="telltale",kind="memory"\} 1\n/);
});

test('an image that would not unmap: its process is replaced, after the swap as ever', async () => {
  await using gateway = await RunningGateway.start();
  await gateway.deploy('telltale', telltale);
  const { serving, spare } = await settled(gateway);
  assert.equal(await ask(gateway, '/telltale?op=keep'), String(serving));
  await gateway.redeploy('telltale', answering('new'));
  assert.equal(await ask(gateway, '/telltale'), 'new');
  await eventually('the spare serves', async () => (await settled(gateway)).serving === spare);
  assert.equal(await ask(gateway, '/telltale'), 'new');
  assert.match(await gateway.metrics(), /process_restarts_total\{reason="suspect"\} 1\n/);
});

test('a call that nothing can end: its client gets its 504, and the process is replaced, stuck thread and all', async () => {
  await using gateway = await RunningGateway.start();
  await gateway.deploy('deaf', { code: DEAF, timeout_ms: 100 });
  await gateway.deploy('telltale', telltale);
  const { serving, spare } = await settled(gateway);
  assert.match(await ask(gateway, `/deaf?until=${join(gateway.folder, 'never')}`), /handler_timeout/);
  assert.equal(await ask(gateway, '/telltale'), String(serving));
  await eventually('the spare serves', async () => (await ask(gateway, '/telltale')) === String(spare), 30_000);
  await eventually('the old process has ended', () => !existsSync(`/proc/${serving}`), 30_000);
  assert.match(await gateway.metrics(), /process_restarts_total\{reason="suspect"\} 1\n/);
});

test('suspect faults with every request are a crash loop, though each has its process replaced', async () => {
  await using gateway = await RunningGateway.start({ settings: { CRASH_LOOP_FAULTS: '4' } });
  await gateway.deploy('telltale', telltale);
  await gateway.deploy('other', telltale);
  for (let crashes = 1; crashes <= 4; crashes += 1) {
    const { serving } = await settled(gateway);
    assert.match(await ask(gateway, '/telltale?op=suspect'), /handler_crashed/);
    await eventually('the process is replaced', async () => (await settled(gateway)).serving !== serving);
    assert.match(await ask(gateway, '/other'), /^[0-9]+$/);
  }
  const failed = async (): Promise<boolean> => (await gateway.must('GET', '/endpoints/telltale'))['state'] === 'error';
  await eventually('the endpoint is in error', failed);
  const { last_error } = await gateway.must('GET', '/endpoints/telltale');
  assert.equal((last_error as { code: string }).code, 'crash_loop');
  assert.match(await ask(gateway, '/telltale'), /endpoint_not_loaded/);
});

test('a good answer between, in whichever process, ends a row of suspect faults', async () => {
  await using gateway = await RunningGateway.start({ settings: { CRASH_LOOP_FAULTS: '3' } });
  await gateway.deploy('telltale', telltale);
  for (const operation of ['suspect', 'suspect', 'none', 'suspect', 'suspect']) {
    const { serving } = await settled(gateway);
    await ask(gateway, `/telltale?op=${operation}`);
    if (operation === 'suspect') {
      await eventually('the process is replaced', async () => (await settled(gateway)).serving !== serving);
    }
  }
  assert.equal((await gateway.must('GET', '/endpoints/telltale'))['state'], 'loaded');
  assert.match(await ask(gateway, '/telltale'), /^[0-9]+$/);
});

test('INTERRUPTS_MAX: a process that had to interrupt so many calls is replaced', async () => {
  await using gateway = await RunningGateway.start({ settings: { INTERRUPTS_MAX: '2' } });
  await gateway.deploy('telltale', { ...telltale, timeout_ms: 100 });
  const { serving, spare } = await settled(gateway);
  assert.match(await ask(gateway, '/telltale?op=loop'), /handler_timeout/);
  assert.equal(await ask(gateway, '/telltale'), String(serving), 'one is not too many');
  assert.match(await ask(gateway, '/telltale?op=loop'), /handler_timeout/);
  await eventually('the spare serves', async () => (await settled(gateway)).serving === spare);
  assert.match(await gateway.metrics(), /process_restarts_total\{reason="interrupts"\} 1\n/);
});

test('a spare keeps everything loaded while endpoints sleep, and what it has is in no figure', async () => {
  await using gateway = await RunningGateway.start({ settings: { SLEEP_AFTER_SECS: '1' } });
  await gateway.deploy('telltale', telltale);
  const { serving, spare } = await settled(gateway);
  await eventually('it sleeps', async () => (await mappedImages(serving, 'telltale')).length === 0);
  // The main thread hears of it a moment after the image is unmapped.
  await eventually('none is counted', async () => (await gateway.must('GET', '/stats'))['libraries_mapped'] === 0);
  assert.equal((await mappedImages(spare, 'telltale')).length, 1);
  process.kill(serving, 'SIGKILL');
  assert.equal(await ask(gateway, '/telltale'), String(spare));
  await eventually('it may sleep now', async () => (await mappedImages(spare, 'telltale')).length === 0);
});

test('SPARE_PROCESSES=0: no spare is kept, and a fresh process replaces one that is killed', async () => {
  await using gateway = await RunningGateway.start({ settings: { SPARE_PROCESSES: '0' } });
  await gateway.deploy('telltale', telltale);
  const [serving = 0] = await gateway.servingPids();
  process.kill(serving, 'SIGKILL');
  const answered = Number(await ask(gateway, '/telltale'));
  assert.notEqual(answered, serving);
  const processes = (await gateway.must('GET', '/stats'))['processes'] as { pid: number; state: string }[];
  assert.deepEqual(
    processes.map(({ pid, state }) => ({ pid, state })),
    [{ pid: answered, state: 'serving' }],
  );
});
