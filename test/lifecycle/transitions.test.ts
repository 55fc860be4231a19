/** The two state machines against rules that are written down a second time, as sentences; and what the journal makes of them. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { nextEndpointState, type EndpointEvent } from '../../src/lifecycle/states/endpoint-state.ts';
import { nextGenerationState, type GenerationEvent } from '../../src/lifecycle/states/generation-state.ts';
import { Journal } from '../../src/lifecycle/journal.ts';
import { IllegalTransition } from '../../src/lifecycle/states/transition.ts';
import { EventBus, type TimedEvent } from '../../src/observe/events.ts';
import type { EndpointState, GenerationState } from '../../src/store/records.ts';
import { openStore } from '../../src/store/sqlite-store.ts';
import { buildOf } from '../support/control-plane.ts';

interface Rule<State> {
  /** The states in which the event may come. */
  readonly may: (state: State) => boolean;
  readonly then: (state: State) => State;
}

const stays = <State>(state: State): State => state;
const isDeployed = (state: EndpointState): boolean => ['loaded', 'draining', 'error'].includes(state);
const serves = (state: EndpointState): boolean => ['loaded', 'draining'].includes(state);

const ENDPOINT_RULES: Readonly<Record<EndpointEvent, Rule<EndpointState>>> = {
  // A build touches nothing that runs; only the first one is news.
  built: { may: () => true, then: state => (state === 'created' ? 'compiled' : state) },
  build_failed: { may: () => true, then: stays },
  // Whatever was built can be swapped in; older requests go on draining, unless nothing served.
  swapped: { may: state => state !== 'created', then: state => (state === 'draining' ? 'draining' : 'loaded') },
  requests_left: { may: serves, then: () => 'draining' },
  undeploying: { may: isDeployed, then: () => 'draining' },
  drained: { may: state => state === 'draining', then: () => 'loaded' },
  emptied: { may: state => state === 'draining', then: () => 'compiled' },
  failed: { may: isDeployed, then: () => 'error' },
  crash_looped: { may: isDeployed, then: () => 'error' },
  recovered: { may: state => state === 'error', then: () => 'loaded' },
};

/** A generation's life is a line: each event belongs to one step of it. */
const step = (from: GenerationState, to: GenerationState): Rule<GenerationState> => ({
  may: state => state === from,
  then: () => to,
});

const GENERATION_RULES: Readonly<Record<GenerationEvent, Rule<GenerationState>>> = {
  ready: step('loading', 'serving'),
  failed: step('loading', 'failed'),
  superseded: step('serving', 'draining'),
  drained: step('draining', 'retired'),
  forced: step('draining', 'retired'),
};

const ENDPOINT_STATES: readonly EndpointState[] = ['created', 'compiled', 'loaded', 'draining', 'error'];
const GENERATION_STATES: readonly GenerationState[] = ['loading', 'serving', 'draining', 'retired', 'failed'];

const eventsOf = <Event extends string>(rules: Readonly<Record<Event, unknown>>): Event[] =>
  Object.keys(rules) as Event[];

/** Sequences of any events, most of them long enough to come around. */
const sequences = <Event extends string>(rules: Readonly<Record<Event, unknown>>): fc.Arbitrary<Event[]> =>
  fc.array(fc.constantFrom(...eventsOf(rules)), { maxLength: 40 });

/** Every state that some sequence of events leads to. */
function reachable<State, Event extends string>(first: State, events: readonly Event[], next: Next<State, Event>) {
  const found = new Set([first]);
  for (const state of found) {
    for (const event of events) {
      try {
        found.add(next(state, event));
      } catch (error) {
        assert.ok(error instanceof IllegalTransition);
      }
    }
  }
  return found;
}

type Next<State, Event> = (state: State, event: Event) => State;

function checkMachine<State extends string, Event extends string>(machine: {
  readonly first: State;
  readonly states: readonly State[];
  readonly rules: Readonly<Record<Event, Rule<State>>>;
  readonly next: Next<State, Event>;
}): void {
  const { first, states, rules, next } = machine;

  test('any sequence of events goes where the rules say, and an illegal one throws', () => {
    fc.assert(
      fc.property(sequences(rules), events => {
        let state = first;
        for (const event of events) {
          if (rules[event].may(state)) {
            const expected = rules[event].then(state);
            assert.equal(next(state, event), expected, `${event} in ${state}`);
            state = expected;
          } else assert.throws(() => next(state, event), IllegalTransition, `${event} in ${state}`);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('every state can be reached, and no other', () => {
    assert.deepEqual([...reachable(first, eventsOf(rules), next)].toSorted(), states.toSorted());
  });
}

describe('the endpoint machine', () => {
  checkMachine({ first: 'created', states: ENDPOINT_STATES, rules: ENDPOINT_RULES, next: nextEndpointState });
});

describe('the generation machine', () => {
  checkMachine({ first: 'loading', states: GENERATION_STATES, rules: GENERATION_RULES, next: nextGenerationState });
});

describe('the journal', () => {
  const folder = mkdtempSync(join(tmpdir(), 'journal-'));
  const store = openStore(folder);
  const seen: TimedEvent[] = [];
  const events = new EventBus();
  events.subscribe(event => seen.push(event));
  let now = 0;
  const journal = new Journal({ store, events, now: () => (now += 1) });
  let endpoints = 0;
  after(() => {
    store.close();
    rmSync(folder, { recursive: true });
  });

  function createEndpoint(): string {
    endpoints += 1;
    const id = `endpoint-${endpoints}`;
    const plain = { name: id, domain: '*', path: `/${id}`, method: 'GET', description: '', dependencies: {} };
    store.createEndpoint({ id, code: 'one', ...plain, timeoutMs: null, drainTimeoutMs: null, threads: null }, now);
    seen.length = 0;
    return id;
  }

  test('writes exactly the legal moves of an endpoint, and tells exactly the changes', () => {
    fc.assert(
      fc.property(sequences(ENDPOINT_RULES), moves => {
        const id = createEndpoint();
        let state: EndpointState = 'created';
        const told: EndpointState[] = [];
        for (const event of moves) {
          const before = store.endpoint(id);
          if (!ENDPOINT_RULES[event].may(state)) {
            assert.throws(() => journal.moveEndpoint(id, event, { name: 'another' }), IllegalTransition);
            assert.deepEqual(store.endpoint(id), before, `${event} in ${state} has changed something`);
            continue;
          }
          const after = ENDPOINT_RULES[event].then(state);
          assert.equal(journal.moveEndpoint(id, event).state, after);
          if (after !== state) told.push(after);
          state = after;
          assert.equal(store.endpoint(id)?.state, state);
        }
        assert.deepEqual(
          seen.map(event => event.type === 'endpoint' && event.change === 'state' && event.state),
          told,
        );
      }),
      { numRuns: 100 },
    );
  });

  test('writes exactly the legal moves of a generation, with its times and its outcome', () => {
    fc.assert(
      fc.property(sequences(GENERATION_RULES), moves => {
        const id = createEndpoint();
        const build = buildOf({ endpointId: id, code: 'one', dependencies: {} }, `build of ${id}`);
        store.addBuild(build);
        const { generation } = journal.addGeneration(id, build.id, 'deploy');
        let state: GenerationState = 'loading';
        const told: GenerationState[] = ['loading'];
        let outcome: string | null = null;
        for (const event of moves) {
          const before = store.generation(id, generation);
          if (!GENERATION_RULES[event].may(state)) {
            assert.throws(() => journal.moveGeneration(id, generation, event), IllegalTransition);
            assert.deepEqual(store.generation(id, generation), before, `${event} in ${state} has changed something`);
            continue;
          }
          journal.moveGeneration(id, generation, event);
          state = GENERATION_RULES[event].then(state);
          if (state === 'retired') outcome = event;
          told.push(state);
        }
        const record = store.generation(id, generation);
        assert.deepEqual({ state: record?.state, outcome: record?.outcome }, { state, outcome });
        const times = [record?.loadedAt, record?.drainingSince, record?.retiredAt].map(time => time !== null);
        const entered = ['serving', 'draining', 'retired'].map(entry => told.some(one => one === entry));
        assert.deepEqual(times, entered, 'each time is set when its state is entered');
        assert.deepEqual(
          seen.map(event => event.type === 'generation' && event.state),
          told,
        );
      }),
      { numRuns: 100 },
    );
  });

  test('writes and tells nothing of a transaction with an illegal move in it', () => {
    fc.assert(
      fc.property(sequences(ENDPOINT_RULES), moves => {
        const id = createEndpoint();
        const before = store.endpoint(id);
        const transaction = (): void =>
          journal.transaction(() => {
            for (const event of moves) journal.moveEndpoint(id, event);
            // Whatever came before, the second of these is illegal.
            journal.moveEndpoint(id, 'recovered');
            journal.moveEndpoint(id, 'recovered');
          });
        assert.throws(transaction, IllegalTransition);
        assert.deepEqual(store.endpoint(id), before);
        assert.deepEqual(seen, []);
      }),
      { numRuns: 100 },
    );
  });
});
