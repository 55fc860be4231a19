/** Panics beside busy neighbours. `PANICS=1000 npm run soak` makes it the long run. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { Agent } from 'node:http';
import { test } from 'node:test';
import { answering, kit } from '../support/code.ts';
import { RunningGateway } from '../support/gateway.ts';
import { get, startLoad } from '../support/load.ts';

const PANICS = Number(process.env['PANICS'] ?? 100);

async function residentKib(pid: number): Promise<number> {
  return Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

test(`${PANICS} panics, half of them after an await, are ${PANICS} clean 500s and nobody else notices`, async t => {
  await using gateway = await RunningGateway.start();
  await gateway.deploy('faulty', kit());
  await gateway.deploy('left', { code: answering('left') });
  await gateway.deploy('right', { code: answering('right') });
  const pids = await gateway.servingPids();
  const neighbours = ['left', 'right'].map(name => ({
    name,
    load: startLoad({
      url: `${gateway.url}/${name}`,
      keepAlive: 4,
      reconnecting: 1,
      keep: entry => entry.status !== 200 || entry.body !== name,
    }),
  }));

  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const memory: number[] = [];
  for (let done = 0; done < PANICS; done += 10) {
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        get(`${gateway.url}/faulty?op=${index % 2 === 0 ? 'panic' : 'panic_later'}`, agent),
      ),
    );
    for (const { status, body, error } of answers) {
      assert.equal(error, null);
      assert.equal(status, 500);
      const { request_id: id, ...rest } = JSON.parse(body) as Record<string, string>;
      assert.match(id ?? '', /^[\w.-]+$/);
      assert.deepEqual(rest, { error: 'The handler of this endpoint failed.', code: 'handler_panicked' });
    }
    memory.push(await residentKib(pids[0] ?? 0));
  }
  agent.destroy();

  for (const { name, load } of neighbours) {
    const wrong = await load.stop();
    assert.deepEqual(wrong.slice(0, 3), [], `${name} was disturbed`);
    assert.ok(load.finished() > PANICS, `${name} was busy meanwhile`);
    t.diagnostic(`${name}: ${load.finished()} right answers beside the panics`);
  }
  assert.deepEqual(await gateway.servingPids(), pids, 'the processes are the same');
  assert.equal((await gateway.fetch('/faulty?op=work')).status, 200);
  const metrics = await gateway.metrics();
  assert.match(metrics, new RegExp(`rust_edge_gateway_handler_panics_total\\{endpoint="faulty"\\} ${PANICS}\\n`));
  const [halfway = 0, finish = 0] = [memory[memory.length >> 1], memory.at(-1)];
  t.diagnostic(`memory ${halfway} KiB halfway, ${finish} KiB at the end`);
  if (PANICS >= 1000) assert.ok(finish <= halfway * 1.05, `memory grew from ${halfway} to ${finish} KiB`);
});
