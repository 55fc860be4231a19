import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import type { EndpointSpec } from '../../src/protocol/control.ts';
import { FlipPage } from '../../src/supervisor/fleet/flip-page.ts';
import { Harness, spec } from './harness.ts';
import { settled } from './manual-clock.ts';

/** The endpoint's first place in the page. */
const PLACE = { flipPlace: 0 };

describe('a flip that only the page has told of', () => {
  let page: FlipPage;
  let h: Harness;

  const turn = (version: number, endpoint: EndpointSpec): void => page.turn({ version, id: 'a', endpoint });
  const prepare = (endpoint: EndpointSpec) => h.deployment.prepare(endpoint, { ticket: page.ticket(endpoint) });

  beforeEach(async () => {
    const flipPage = new Int32Array(8);
    page = new FlipPage(flipPage);
    page.place('a');
    h = new Harness({ flipPage });
    h.answers = true;
    await h.start(spec('a', 1, PLACE));
  });

  const answer = (): string => {
    const { outcome } = h.request('a');
    return outcome?.kind === 'reply' ? outcome.reply.body.toString() : String(outcome?.kind);
  };

  test('is followed by the next request, and the old generation drains', async () => {
    await prepare(spec('a', 2));
    assert.equal(answer(), 'generation 1');
    turn(2, spec('a', 2));
    assert.equal(answer(), 'generation 2');
    await settled();
    assert.deepEqual(
      h.eventsOf('retired').map(({ generation }) => generation),
      [1],
    );
    const limited = spec('a', 2, { ...PLACE, timeoutMs: 77 });
    assert.deepEqual(h.deployment.commit('a', limited, 2), { draining: 0, followed: true });
    assert.equal(h.factory.pool('a', 2).limits.timeoutMs, 77, 'the message brings the rest');
    assert.equal(answer(), 'generation 2');
  });

  test('is followed by its message, when that comes before a request', async () => {
    await prepare(spec('a', 2));
    turn(2, spec('a', 2));
    assert.deepEqual(h.deployment.commit('a', spec('a', 2, PLACE), 2), { draining: 0, followed: true });
    assert.equal(answer(), 'generation 2');
  });

  test('waits for its message where nothing, or another build, is prepared', async () => {
    await prepare({ ...spec('a', 2), serving: { generation: 2, artifactPath: '/a guess' } });
    page.ticket(spec('a', 2));
    turn(2, spec('a', 2));
    assert.equal(answer(), 'generation 1');
    assert.equal(h.deployment.commit('a', spec('a', 2, PLACE), 2).followed, false);
    await settled();
    assert.equal(answer(), 'generation 2');
    assert.equal(h.endpoint('a').serving?.spec.artifactPath, spec('a', 2).serving?.artifactPath);
  });

  test('is not taken back by an older message that comes late', async () => {
    await prepare(spec('a', 2));
    turn(3, spec('a', 2));
    assert.equal(answer(), 'generation 2');
    assert.equal(h.deployment.commit('a', spec('a', 1, PLACE), 2).followed, false);
    assert.equal(h.deployment.commit('a', null, 2).draining, 0);
    assert.equal(answer(), 'generation 2');
    h.deployment.commit('a', spec('a', 2, PLACE), 3);
    assert.equal(answer(), 'generation 2');
  });

  test('is not followed by a process that ends: it loads nothing any more', async () => {
    await prepare(spec('a', 2));
    const drained = h.deployment.drainAll();
    turn(2, spec('a', 2));
    assert.equal(h.request('a').taken, false);
    await drained;
    assert.equal(h.deployment.commit('a', spec('a', 2, PLACE), 2).followed, false);
  });
});
