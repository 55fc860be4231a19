/** What survives: restarts, kills at any moment, the death of a gateway process. `KILLS=50` is the number of random kills. */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { chmod, readdir, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { answering, sleeping } from '../support/code.ts';
import { eventually } from '../support/eventually.ts';
import { RunningGateway, type ApiData } from '../support/gateway.ts';

const KILLS = Number(process.env['KILLS'] ?? 50);

test('a restart brings every deployed endpoint back from its artifact, without compiling', async () => {
  const first = await RunningGateway.start();
  await first.log(line => line.event === 'example_ready', 60_000);
  await first.must('DELETE', '/endpoints/hello');
  await first.deploy('kept', { code: answering('kept') });
  await first.deploy('parked', { code: answering('parked') });
  await first.must('POST', '/endpoints/parked/undeploy');
  assert.equal(await first.stop('SIGTERM'), 0);

  // Without cargo on the PATH nothing can be compiled.
  await using second = await RunningGateway.start({
    folder: first.folder,
    environment: { PATH: '/nowhere', HOME: '/nowhere' },
  });
  assert.equal(await (await second.fetch('/kept')).text(), 'kept');
  assert.equal((await second.fetch('/parked')).status, 503);
  assert.equal((await second.fetch('/hello')).status, 404, 'the example comes to an empty store only');
  const { state, generation } = await second.must('GET', '/endpoints/kept');
  assert.deepEqual({ state, generation }, { state: 'loaded', generation: 1 });
  const missing = await second.log(line => line.level === 'warn' && /rust/i.test(JSON.stringify(line)));
  assert.match(JSON.stringify(missing), /rustup/);
  await second.must('PUT', '/endpoints/kept/code', { code: answering('changed') });
  const { status, error } = await second.api('POST', '/endpoints/kept/compile');
  assert.deepEqual([status, error.code], [503, 'toolchain_missing']);
});

test('error: a deployed endpoint whose library is damaged says so after a restart, the others serve, a compile and deploy mend it', async () => {
  const first = await RunningGateway.start();
  await first.deploy('sound', { code: answering('sound') });
  await first.deploy('damaged', { code: answering('mended') });
  const { build } = (await first.must('GET', '/endpoints/damaged')) as unknown as { build: { digest: string } };
  await first.stop('SIGTERM');
  const artifact = join(first.folder, 'data', 'artifacts', `${build.digest}.so`);
  await chmod(artifact, 0o600);
  await writeFile(artifact, 'no library');

  await using second = await RunningGateway.start({ folder: first.folder });
  assert.equal(await (await second.fetch('/sound')).text(), 'sound');
  const refused = await second.fetch('/damaged');
  assert.deepEqual([refused.status, ((await refused.json()) as ApiData)['code']], [503, 'endpoint_not_loaded']);
  const { state, last_error: error } = await second.must('GET', '/endpoints/damaged');
  assert.equal(state, 'error');
  assert.match(JSON.stringify(error), /"code":"load_failed"/);
  await second.must('POST', '/endpoints/damaged/deploy', { compile: true });
  assert.equal(await (await second.fetch('/damaged')).text(), 'mended');
  assert.equal((await second.must('GET', '/endpoints/damaged'))['state'], 'loaded');
});

test('SIGTERM lets requests in flight finish and ends with status 0', async () => {
  await using gateway = await RunningGateway.start();
  await gateway.deploy('slow', { code: sleeping('finished') });
  const slow = gateway.fetch('/slow?ms=700');
  await eventually('it is in flight', async () => (await gateway.must('GET', '/stats'))['in_flight'] === 1);
  const end = gateway.stop('SIGTERM');
  assert.equal(await (await slow).text(), 'finished');
  assert.equal(await end, 0);
  await assert.rejects(gateway.fetch('/slow'));
});

test('a gateway process that dies is restarted, and clients that wait in the socket are answered', async () => {
  await using gateway = await RunningGateway.start();
  await gateway.deploy('alive', { code: answering('alive') });
  const [pid = 0] = await gateway.servingPids();
  process.kill(pid, 'SIGKILL');
  assert.equal(await (await gateway.fetch('/alive')).text(), 'alive');
  const [next = 0] = await eventually('another process serves', async () => {
    const pids = await gateway.servingPids();
    return pids.length === 1 && pids[0] !== pid && pids;
  });
  assert.notEqual(next, pid);
  assert.match(await gateway.metrics(), /rust_edge_gateway_process_restarts_total\{reason="[^"]+"\} 1\n/);
});

test('a gateway process that hangs is replaced, and the deploy that waits for it succeeds', async () => {
  await using gateway = await RunningGateway.start({ settings: { PROCESSES: '2' } });
  await gateway.deploy('patient', { code: answering('old') });
  await gateway.must('PUT', '/endpoints/patient/code', { code: answering('new') });
  await gateway.must('POST', '/endpoints/patient/compile');
  const [hung = 0] = await gateway.servingPids();
  process.kill(hung, 'SIGSTOP');
  await gateway.must('POST', '/endpoints/patient/deploy');
  assert.equal(await (await gateway.fetch('/patient')).text(), 'new');
  await eventually('two others serve', async () => {
    const pids = await gateway.servingPids();
    return pids.length === 2 && !pids.includes(hung);
  });
  // It was found hung by the commit when it had prepared the build ahead, else by its silence while it should prepare it.
  assert.match(await gateway.metrics(), /process_restarts_total\{reason="(commit_timeout|unresponsive)"\} 1\n/);
});

test('a thousand connections wait in the socket while no process accepts', async () => {
  await using gateway = await RunningGateway.start();
  const [pid = 0] = await gateway.servingPids();
  process.kill(pid, 'SIGSTOP');
  const { hostname, port } = new URL(gateway.url);
  const sockets = Array.from({ length: 1000 }, () => connect(Number(port), hostname));
  await Promise.all(sockets.map(async socket => once(socket, 'connect')));
  process.kill(pid, 'SIGCONT');
  assert.equal((await gateway.fetch('/nowhere')).status, 404);
  for (const socket of sockets) socket.destroy();
});

test('several gateway processes all flip before a deploy returns', async () => {
  await using gateway = await RunningGateway.start({ settings: { PROCESSES: '2', HANDLER_THREADS: '1' } });
  await gateway.deploy('double', { code: answering('1') });
  assert.equal((await gateway.servingPids()).length, 2);
  for (const text of ['2', '3', '4']) {
    await gateway.redeploy('double', answering(text));
    // A new connection for each request: the kernel spreads them over both processes.
    const answers = await Promise.all(
      Array.from({ length: 30 }, async () =>
        (await gateway.fetch('/double', { headers: { connection: 'close' } })).text(),
      ),
    );
    assert.deepEqual([...new Set(answers)], [text]);
  }
});

interface Acknowledged {
  /** Source text acknowledged by the last compile, and by the last deploy. */
  saved: string;
  generation: number;
  deployedText: string;
}

/** Saves, compiles and deploys until the program dies; what was acknowledged is written down. */
async function work(gateway: RunningGateway, known: Acknowledged, round: number): Promise<void> {
  for (let step = 0; ; step += 1) {
    const text = `text ${round % 3} ${step % 2}`;
    try {
      await gateway.must('PUT', '/endpoints/tough/code', { code: answering(text) });
      known.saved = text;
      await gateway.must('POST', '/endpoints/tough/compile');
      const answer = await gateway.must('POST', '/endpoints/tough/deploy');
      known.generation = Number(answer['generation']);
      known.deployedText = text;
    } catch {
      return;
    }
  }
}

test(`${KILLS} kills at random moments lose nothing that was acknowledged and leave nothing half-done`, async t => {
  const first = await RunningGateway.start();
  const { folder } = first;
  await first.deploy('tough', { code: answering('text') });
  const known: Acknowledged = { saved: 'text', generation: 1, deployedText: 'text' };
  await first.stop('SIGKILL');

  for (let round = 0; round < KILLS; round += 1) {
    const gateway = await RunningGateway.start({ folder });
    const code = (await gateway.must('GET', '/endpoints/tough/code'))['code'];
    const { state, generation } = await gateway.must('GET', '/endpoints/tough');
    const served = await (await gateway.fetch('/tough')).text();
    assert.equal(state, 'loaded');
    // What was under way when the kill came may have happened or not; what was acknowledged has.
    assert.ok(Number(generation) >= known.generation, `generation ${String(generation)} after ${known.generation}`);
    if (generation === known.generation) assert.equal(served, known.deployedText);
    assert.ok(typeof code === 'string' && code.includes('Response::text'));
    const list = (await gateway.must('GET', '/endpoints/tough/generations')) as unknown as ApiData[];
    assert.equal(list.filter(one => one['state'] === 'serving').length, 1);
    assert.equal(list.filter(one => one['state'] === 'loading').length, 0);
    known.generation = Number(generation);
    known.deployedText = served;

    const working = work(gateway, known, round);
    const start = performance.now();
    const killAtMs = randomInt(5, 900);
    await eventually('the moment of the kill', () => performance.now() - start >= killAtMs);
    await gateway.stop('SIGKILL');
    await working;
  }
  const database = new DatabaseSync(join(folder, 'data', 'gateway.db'), { readOnly: true });
  assert.deepEqual({ ...database.prepare('PRAGMA integrity_check').get() }, { integrity_check: 'ok' });
  assert.deepEqual(database.prepare('PRAGMA foreign_key_check').all(), []);
  database.close();
  const leftOver = (await readdir(join(folder, 'data', 'artifacts'))).filter(name => !/^[0-9a-f]{64}\.so$/.test(name));
  t.diagnostic(`${known.generation} generations, left over in artifacts: ${leftOver.length}`);
  await rm(folder, { recursive: true, force: true });
});
