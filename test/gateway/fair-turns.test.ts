/** Who gets the main thread when, over turns of an event loop that the test drives itself. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FairTurns } from '../../src/gateway/fair-turns.ts';
import { TURN_SHARE } from '../../src/pool/competition.ts';

const FLOODED = { name: 'flooded' };
const SECOND = { name: 'second' };
const QUIET = { name: 'quiet' };

class Loop {
  readonly ran: string[] = [];
  nowMs = 0;
  readonly #next: (() => void)[] = [];
  readonly #turns = new FairTurns<{ name: string }>(action => this.#next.push(action));

  ask(who: { name: string }, times = 1): void {
    for (let time = 0; time < times; time += 1) this.#turns.run(who, this.nowMs, () => this.ran.push(who.name));
  }

  /** What ran in the next turn. False: nothing is scheduled, the loop would block. */
  turn(): readonly string[] | false {
    const actions = this.#next.splice(0);
    if (actions.length === 0) return false;
    const before = this.ran.length;
    for (const action of actions) action();
    return this.ran.slice(before);
  }

  count(who: { name: string }): number {
    return this.ran.filter(name => name === who.name).length;
  }

  /** Turns until nothing is left to do. */
  finish(): void {
    for (let turns = 0; this.turn() !== false; turns += 1) assert.ok(turns < 1_000, 'the loop never blocks');
  }
}

describe('an endpoint that is asked alone', () => {
  it('has all of the main thread', () => {
    const loop = new Loop();
    loop.ask(FLOODED, 100);
    assert.equal(loop.ran.length, 100);
    assert.deepEqual(loop.turn(), []);
    assert.equal(loop.turn(), false);
  });

  it('has it again a second after another one was asked', () => {
    const loop = new Loop();
    loop.ask(QUIET);
    loop.ask(FLOODED, 10);
    assert.equal(loop.count(FLOODED), TURN_SHARE);
    loop.finish();
    loop.nowMs += 1_001;
    loop.ask(FLOODED, 10);
    assert.equal(loop.count(FLOODED), 20);
  });
});

describe('endpoints that compete', () => {
  it('get their share in each turn, whoever came first', () => {
    const loop = new Loop();
    loop.ask(QUIET);
    loop.ask(FLOODED, 3 * TURN_SHARE);
    assert.equal(loop.ran.length, 1 + TURN_SHARE);
    loop.ask(QUIET);
    assert.equal(loop.count(QUIET), 2, 'at once');
    assert.deepEqual(loop.turn(), Array(TURN_SHARE).fill('flooded'));
    loop.ask(QUIET);
    assert.equal(loop.count(QUIET), 3, 'at once again');
    assert.deepEqual(loop.turn(), Array(TURN_SHARE).fill('flooded'));
    loop.finish();
    assert.equal(loop.count(FLOODED), 3 * TURN_SHARE);
  });

  it('take turns when several are flooded, and what waits keeps its order', () => {
    const loop = new Loop();
    loop.ask(FLOODED, TURN_SHARE);
    loop.ask(SECOND, TURN_SHARE);
    loop.ask(FLOODED, 4);
    loop.ask(SECOND, 4);
    const inTurn = loop.turn();
    assert.deepEqual(inTurn, ['flooded', 'second', 'flooded', 'second'].slice(0, TURN_SHARE));
    loop.finish();
    assert.equal(loop.count(FLOODED), TURN_SHARE + 4);
    assert.equal(loop.count(SECOND), TURN_SHARE + 4);
  });

  it('lose nothing, however requests and turns mix', () => {
    const loop = new Loop();
    let asked = 0;
    for (let step = 0; step < 500; step += 1) {
      loop.nowMs += step % 7;
      for (const [index, who] of [FLOODED, SECOND, QUIET].entries()) {
        const times = (step * (index + 3)) % (9 - 3 * index);
        loop.ask(who, times);
        asked += times;
      }
      if (step % 3 !== 0) loop.turn();
    }
    loop.finish();
    assert.equal(loop.ran.length, asked);
  });
});
