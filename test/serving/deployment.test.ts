import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Harness, spec } from './harness.ts';
import { settled } from './manual-clock.ts';

describe('a deploy', () => {
  test('prepares as many images as the serving generation has, beside it', async () => {
    const h = new Harness();
    await h.start(spec('a', 1));
    h.factory.pool('a', 1).images = 3;
    assert.deepEqual(await h.deployment.prepare(spec('a', 2)), { ok: true });
    assert.equal(h.factory.pool('a', 2).images, 3);
    assert.equal(h.endpoint('a').serving?.number, 1);
    assert.deepEqual(
      h
        .endpoint('a')
        .generationFigures()
        .map(figures => figures.state),
      ['serving', 'prepared'],
    );
  });

  test('prepares one image for an endpoint of which nothing is loaded', async () => {
    const h = new Harness();
    await h.start();
    assert.deepEqual(await h.deployment.prepare(spec('a', 1)), { ok: true });
    assert.equal(h.factory.pool('a', 1).images, 1);
    assert.deepEqual(h.routed, []);
  });

  test('that cannot be bound answers with the reason and leaves everything as it was', async () => {
    const h = new Harness();
    await h.start(spec('a', 1));
    h.factory.bindFailure = ({ generation }) => (generation === 2 ? { code: 'abi_mismatch', message: 'old' } : null);
    assert.deepEqual(await h.deployment.prepare(spec('a', 2)), { ok: false, code: 'abi_mismatch', message: 'old' });
    assert.equal(h.factory.pool('a', 2).retired, true);
    assert.equal(h.endpoint('a').generations.length, 1);
    assert.equal(h.endpoint('a').draining.size, 0);
  });

  test('finds what was prepared ahead, and has as many images as served before soon after', async () => {
    const h = new Harness();
    await h.start(spec('a', 1));
    assert.deepEqual(await h.deployment.prepare(spec('a', 2), { ahead: true }), { ok: true });
    h.factory.pool('a', 1).images = 3;
    h.deployment.commit('a', spec('a', 2));
    assert.equal(h.endpoint('a').serving?.number, 2);
    await settled();
    assert.equal(h.factory.pool('a', 2).images, 3);
    assert.deepEqual(h.eventsOf('gave_way'), []);
  });

  test('loads what was prepared ahead again when it had to give way, which is told', async () => {
    const h = new Harness({ threadsMax: 4 });
    await h.start(spec('a', 1));
    assert.deepEqual(await h.deployment.prepare(spec('a', 2), { ahead: true }), { ok: true });
    for (const id of ['b', 'c', 'd']) await h.deployment.prepare(spec(id, 1));
    await settled();
    assert.deepEqual(h.eventsOf('gave_way'), [{ kind: 'gave_way', endpoint: 'a', generation: 2 }]);
    h.deployment.commit('a', spec('a', 2));
    await settled();
    assert.equal(h.endpoint('a').serving?.images, 1);
  });

  test('that is abandoned lets go of its images and tells nobody', async () => {
    const h = new Harness();
    await h.start(spec('a', 1));
    await h.deployment.prepare(spec('a', 2));
    await h.deployment.abandon('a', 2);
    assert.equal(h.factory.pool('a', 2).images, 0);
    assert.equal(h.endpoint('a').generations.length, 1);
    assert.deepEqual(h.eventsOf('retired'), []);
  });

  test('of one number that come together leave nothing of those that were abandoned', async () => {
    const h = new Harness();
    await h.start(spec('a', 1));
    const other = spec('a', 2, { serving: { generation: 2, artifactPath: '/artifacts/other' } });
    // As when the messages are read at once: none of them has waited for the one before.
    const guess = h.deployment.prepare(spec('a', 2), { ahead: true });
    const abandoned = h.deployment.abandon('a', 2);
    const wanted = h.deployment.prepare(other);
    await abandoned;
    assert.deepEqual([(await guess).ok, (await wanted).ok], [false, true]);
    h.deployment.commit('a', other);
    await settled();
    const left = h.factory.pools.filter(pool => !pool.retired).map(pool => pool.spec.artifactPath);
    assert.deepEqual(left, ['/artifacts/other']);
  });

  test('abandoned while it is being bound fails', async () => {
    const h = new Harness();
    await h.start(spec('a', 1));
    const gate = Promise.withResolvers<void>();
    h.factory.beforeBind = () => gate.promise;
    const preparing = h.deployment.prepare(spec('a', 2));
    await settled();
    await h.deployment.abandon('a', 2);
    gate.resolve();
    assert.equal((await preparing).ok, false);
  });
});

describe('a commit', () => {
  test('sends every request after it to the new generation, before it returns', async () => {
    const h = new Harness();
    await h.start(spec('a', 1));
    await h.deployment.prepare(spec('a', 2));
    h.answers = true;
    const before = h.request('a');
    h.deployment.commit('a', spec('a', 2));
    const after = h.request('a');
    assert.equal(before.outcome?.kind === 'reply' && before.outcome.reply.body.toString(), 'generation 1');
    assert.equal(after.outcome?.kind === 'reply' && after.outcome.reply.body.toString(), 'generation 2');
  });

  test('counts the requests of the old generation exactly and reports it drained when the last one is answered', async () => {
    const h = new Harness();
    await h.start(spec('a', 1));
    for (let n = 0; n < 5; n++) h.request('a');
    h.answerOne();
    h.answerOne();
    await h.deployment.prepare(spec('a', 2));
    assert.equal(h.deployment.commit('a', spec('a', 2)).draining, 3);
    assert.deepEqual(
      [...h.endpoint('a').draining.keys()].map(({ number, state }) => [number, state]),
      [[1, 'draining']],
    );
    await h.clock.advance(700);
    assert.deepEqual(h.eventsOf('retired'), []);
    h.answerAll();
    await settled();
    assert.deepEqual(h.eventsOf('retired'), [
      { kind: 'retired', endpoint: 'a', generation: 1, outcome: 'drained', requests: 5, drainMs: 700 },
    ]);
  });

  test('forces the old generation out at its drain timeout and reports it forced', async () => {
    const h = new Harness();
    await h.start(spec('a', 1));
    const stuck = h.request('a');
    h.deployment.commit('a', spec('a', 2, { drainTimeoutMs: 2_000 }));
    await h.clock.advance(2_500);
    assert.deepEqual(stuck.outcome, { kind: 'failure', code: 'handler_drain_forced' });
    const [retired] = h.eventsOf('retired');
    assert.equal(retired?.outcome, 'forced');
    assert.equal(retired?.requests, 1);
    assert.equal(retired?.drainMs, 2_000);
  });

  test('during a drain starts a third generation beside two draining ones', async () => {
    const h = new Harness();
    await h.start(spec('a', 1));
    for (const generation of [2, 3]) {
      h.request('a');
      await h.deployment.prepare(spec('a', generation));
      h.deployment.commit('a', spec('a', generation));
    }
    h.request('a');
    const states = h.endpoint('a').generationFigures();
    assert.deepEqual(
      states.map(({ generation, state, inFlight }) => [generation, state, inFlight]),
      [
        [3, 'serving', 1],
        [1, 'draining', 1],
        [2, 'draining', 1],
      ],
    );
    h.answerAll();
    await settled();
    assert.deepEqual(
      h.eventsOf('retired').map(event => event.generation),
      [1, 2],
    );
  });

  test('applied twice changes nothing', async () => {
    const h = new Harness();
    await h.start(spec('a', 1));
    await h.deployment.prepare(spec('a', 2));
    h.deployment.commit('a', spec('a', 2));
    h.deployment.commit('a', spec('a', 2));
    await settled();
    assert.equal(h.endpoint('a').generations.length, 1);
    assert.equal(h.eventsOf('retired').length, 1);
  });

  test('of a generation that was not prepared here wakes it at once, and requests wait for it', async () => {
    const h = new Harness();
    await h.start(spec('a', 1));
    h.answers = true;
    h.deployment.commit('a', spec('a', 2));
    const request = h.request('a');
    assert.equal(h.endpoint('a').serving?.queueLength, 1);
    await settled();
    assert.equal(request.outcome?.kind, 'reply');
  });

  test('of an endpoint that is undeployed refuses new requests and lets the old ones finish', async () => {
    const h = new Harness();
    await h.start(spec('a', 1));
    const old = h.request('a');
    h.deployment.commit('a', spec('a', null));
    assert.equal(h.request('a').taken, false);
    assert.deepEqual(h.routed, ['a']);
    h.answerAll();
    await settled();
    assert.equal(old.outcome?.kind, 'reply');
    assert.equal(h.eventsOf('retired').length, 1);
  });

  test('of a deleted endpoint takes its route away, and the endpoint is gone once it has drained', async () => {
    const h = new Harness();
    await h.start(spec('a', 1), spec('b', 1));
    h.request('a');
    h.deployment.commit('a', null);
    assert.deepEqual(h.routed, ['b']);
    assert.equal([...h.deployment.endpoints].length, 2);
    h.answerAll();
    await settled();
    assert.deepEqual(
      [...h.deployment.endpoints].map(endpoint => endpoint.id),
      ['b'],
    );
  });

  test('gives new limits to the pools that are live, draining ones too', async () => {
    const h = new Harness();
    await h.start(spec('a', 1));
    h.request('a');
    h.deployment.commit('a', spec('a', 2, { timeoutMs: 77 }));
    assert.equal(h.factory.pool('a', 1).limits.timeoutMs, 77);
    assert.equal(h.factory.pool('a', 2).limits.timeoutMs, 77);
  });
});

describe('a start', () => {
  test('binds every deployed endpoint and tells which could not be bound', async () => {
    const h = new Harness();
    h.factory.bindFailure = ({ endpoint }) => (endpoint === 'b' ? { code: 'open_failed', message: 'no file' } : null);
    h.deployment.load([spec('a', 1), spec('b', 4), spec('c', null)]);
    assert.deepEqual(await h.deployment.bindAll(h.factory, 4), [
      { endpoint: 'b', generation: 4, code: 'open_failed', message: 'no file' },
    ]);
    assert.equal(h.factory.pool('a', 1).images, 1);
    assert.equal(h.asleep('b'), true);
  });

  test('leaves those asleep for which there is no thread', async () => {
    const h = new Harness({ threadsMax: 2 });
    await h.start(spec('a', 1), spec('b', 1), spec('c', 1));
    assert.deepEqual([h.asleep('a'), h.asleep('b'), h.asleep('c')], [false, false, true]);
  });

  test('without a guard serves nothing until there is one', async () => {
    const h = new Harness();
    h.deployment.load([spec('a', 1)]);
    assert.equal(h.request('a').taken, false);
    await h.deployment.bindAll(h.factory, 4);
    assert.equal(h.request('a').taken, true);
  });
});

test('draining everything waits for what is in flight and unbinds all there is', async () => {
  const h = new Harness();
  await h.start(spec('a', 1), spec('b', 1));
  await h.deployment.prepare(spec('b', 2));
  h.request('a');
  let drained = false;
  const draining = h.deployment.drainAll().then(() => (drained = true));
  await settled();
  assert.equal(drained, false);
  h.answerAll();
  await draining;
  assert.equal(h.factory.figures().librariesMapped, 0);
  assert.equal(h.eventsOf('retired').length, 2);
});
