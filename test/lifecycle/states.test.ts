import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  ENDPOINT_TRANSITIONS,
  nextEndpointState,
  type EndpointEvent,
} from '../../src/lifecycle/states/endpoint-state.ts';
import {
  GENERATION_TRANSITIONS,
  nextGenerationState,
  type GenerationEvent,
} from '../../src/lifecycle/states/generation-state.ts';
import { IllegalTransition } from '../../src/lifecycle/states/transition.ts';
import type { EndpointState, GenerationState } from '../../src/store/records.ts';

const ENDPOINT_STATES: readonly EndpointState[] = ['created', 'compiled', 'loaded', 'draining', 'error'];
const GENERATION_STATES: readonly GenerationState[] = ['loading', 'serving', 'draining', 'retired', 'failed'];

type Row<State, Event> = readonly [sentence: string, from: State, event: Event, to: State];

/** The documented rows, written down a second time on purpose. */
const ENDPOINT_ROWS: readonly Row<EndpointState, EndpointEvent>[] = [
  ['an endpoint built with success for the first time is compiled', 'created', 'built', 'compiled'],
  ['a build changes nothing of what is compiled', 'compiled', 'built', 'compiled'],
  ['a build changes nothing of what serves', 'loaded', 'built', 'loaded'],
  ['a build changes nothing of what drains', 'draining', 'built', 'draining'],
  ['a build alone does not make a broken endpoint serve', 'error', 'built', 'error'],
  ['a failed first build leaves it created', 'created', 'build_failed', 'created'],
  ['a failed build changes no state: compiled', 'compiled', 'build_failed', 'compiled'],
  ['a failed build changes no state: loaded', 'loaded', 'build_failed', 'loaded'],
  ['a failed build changes no state: draining', 'draining', 'build_failed', 'draining'],
  ['a failed build changes no state: error', 'error', 'build_failed', 'error'],
  ['a first deploy loads it', 'compiled', 'swapped', 'loaded'],
  ['a swap keeps it loaded', 'loaded', 'swapped', 'loaded'],
  ['a swap during a drain goes on draining', 'draining', 'swapped', 'draining'],
  ['a deploy mends a broken endpoint', 'error', 'swapped', 'loaded'],
  ['requests left in an older generation make it draining', 'loaded', 'requests_left', 'draining'],
  ['more requests left keep it draining', 'draining', 'requests_left', 'draining'],
  ['an undeploy drains what serves', 'loaded', 'undeploying', 'draining'],
  ['an undeploy during a drain drains the rest too', 'draining', 'undeploying', 'draining'],
  ['an undeploy takes a broken generation away', 'error', 'undeploying', 'draining'],
  ['the end of the drain leaves it loaded', 'draining', 'drained', 'loaded'],
  ['the end of an undeploy leaves it compiled', 'draining', 'emptied', 'compiled'],
  ['a generation that cannot serve makes it broken', 'loaded', 'failed', 'error'],
  ['a generation that cannot serve makes it broken, also during a drain', 'draining', 'failed', 'error'],
  ['failing again keeps it broken', 'error', 'failed', 'error'],
  ['a generation in a crash loop makes it broken', 'loaded', 'crash_looped', 'error'],
  ['a generation in a crash loop makes it broken, also during a drain', 'draining', 'crash_looped', 'error'],
  ['a generation that failed and then came into a crash loop leaves it broken', 'error', 'crash_looped', 'error'],
  ['a generation that serves again mends it', 'error', 'recovered', 'loaded'],
];

const GENERATION_ROWS: readonly Row<GenerationState, GenerationEvent>[] = [
  ['a generation loaded everywhere serves', 'loading', 'ready', 'serving'],
  ['a generation that cannot be loaded has failed', 'loading', 'failed', 'failed'],
  ['a superseded generation drains', 'serving', 'superseded', 'draining'],
  ['a drained generation retires', 'draining', 'drained', 'retired'],
  ['a generation that is forced out retires', 'draining', 'forced', 'retired'],
];

function checkTable<State extends string, Event extends string>(
  next: (state: State, event: Event) => State,
  rows: readonly Row<State, Event>[],
  states: readonly State[],
  events: readonly Event[],
): void {
  for (const [sentence, from, event, to] of rows) test(sentence, () => assert.equal(next(from, event), to));
  const documented = new Set(rows.map(([, from, event]) => `${from} ${event}`));
  const others = states.flatMap(state => events.map(event => [state, event] as const));
  test('every other event is illegal', () => {
    const illegal = others.filter(([state, event]) => !documented.has(`${state} ${event}`));
    assert.ok(illegal.length > 0);
    for (const [state, event] of illegal) assert.throws(() => next(state, event), IllegalTransition);
  });
}

describe('endpoint states', () => {
  const events = Object.keys(ENDPOINT_TRANSITIONS) as EndpointEvent[];
  checkTable(nextEndpointState, ENDPOINT_ROWS, ENDPOINT_STATES, events);
});

describe('generation states', () => {
  const events = Object.keys(GENERATION_TRANSITIONS) as GenerationEvent[];
  checkTable(nextGenerationState, GENERATION_ROWS, GENERATION_STATES, events);
});
