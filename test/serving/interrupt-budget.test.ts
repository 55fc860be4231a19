import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GatewayEvent } from '../../src/protocol/control.ts';
import type { FaultKind } from '../../src/protocol/guard.ts';
import { InterruptBudget } from '../../src/serving/interrupt-budget.ts';

function fault(kind: FaultKind): GatewayEvent {
  const where = { signal: 0, code: 0, address: '0', offset: '0', foreign: false, suspect: false, trace: [] };
  return { kind: 'fault', endpoint: 'a', generation: 1, requestId: null, fault: { kind, ...where, message: null } };
}

const reasons = (budget: InterruptBudget, kinds: readonly FaultKind[]): (string | null)[] =>
  kinds.map(kind => {
    const request = budget.after(fault(kind));
    return request?.kind === 'replace_me' ? request.reason : null;
  });

test('the budget asks for another process once, with the last interrupt it allows; other faults do not count', () => {
  const kinds: FaultKind[] = ['interrupted', 'memory', 'interrupted', 'panic', 'interrupted', 'interrupted'];
  assert.deepEqual(reasons(new InterruptBudget(3), kinds), [null, null, null, null, 'interrupts', null]);
});

test('a budget of 0 allows any number', () => {
  assert.deepEqual(reasons(new InterruptBudget(0), ['interrupted', 'interrupted']), [null, null]);
});
