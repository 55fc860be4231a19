import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { DRAINING_MAX, planFleet, type FleetPlan, type Placed } from '../../src/supervisor/fleet/fleet-plan.ts';

const starting: Placed = { state: 'starting', accepting: false, leaving: false };
const spare: Placed = { state: 'spare', accepting: false, leaving: false };
const opening: Placed = { state: 'serving', accepting: false, leaving: false };
const serving: Placed = { state: 'serving', accepting: true, leaving: false };
const leaving: Placed = { state: 'serving', accepting: true, leaving: true };
const draining: Placed = { state: 'draining', accepting: false, leaving: true };
const lost: Placed = { state: 'lost', accepting: false, leaving: false };

const ONE = { processes: 1, spares: 1 };
const nothing: FleetPlan<Placed> = { promote: [], relieve: [], start: 0 };

describe('the plan for the fleet', () => {
  test('starts what serves first, and spares when every place is filled', () => {
    assert.deepEqual(planFleet([], { processes: 2, spares: 1 }, 0), { ...nothing, start: 2 });
    assert.deepEqual(planFleet([starting, serving], { processes: 2, spares: 1 }, 0), nothing);
    assert.deepEqual(planFleet([opening, serving], { processes: 2, spares: 1 }, 0), nothing);
    assert.deepEqual(planFleet([serving, serving], { processes: 2, spares: 1 }, 0), { ...nothing, start: 1 });
    assert.deepEqual(planFleet([serving, starting], ONE, 0), nothing);
    assert.deepEqual(planFleet([serving, spare], ONE, 0), nothing);
  });

  test('lets a spare take the place of a process that is lost, and starts none before that has ended', () => {
    assert.deepEqual(planFleet([lost, spare], ONE, 0), { ...nothing, promote: [spare] });
    assert.deepEqual(planFleet([lost, serving], ONE, 0), nothing);
    assert.deepEqual(planFleet([serving], ONE, 0), { ...nothing, start: 1 });
  });

  test('counts a start that waits for its pause as on the way, unless a place is empty beside it', () => {
    assert.deepEqual(planFleet([serving], ONE, 1), nothing);
    assert.deepEqual(planFleet([], { processes: 1, spares: 0 }, 1), nothing);
    assert.deepEqual(planFleet([], { processes: 2, spares: 0 }, 1), { ...nothing, start: 1 });
  });

  test('when several end at once, promotes the spares there are and starts the rest', () => {
    const size = { processes: 3, spares: 1 };
    assert.deepEqual(planFleet([spare], size, 0), { promote: [spare], relieve: [], start: 2 });
  });

  test('relieves a process that should leave when its successor accepts, not before', () => {
    assert.deepEqual(planFleet([leaving, spare], ONE, 0), { ...nothing, promote: [spare] });
    assert.deepEqual(planFleet([leaving, opening], ONE, 0), nothing);
    assert.deepEqual(planFleet([leaving, serving], ONE, 0), { ...nothing, relieve: [leaving], start: 1 });
    assert.deepEqual(planFleet([leaving], { processes: 1, spares: 0 }, 0), { ...nothing, start: 1 });
  });

  test('keeps a process that should leave while many others drain', () => {
    const many = Array.from({ length: DRAINING_MAX }, () => draining);
    assert.deepEqual(planFleet([leaving, spare, ...many], ONE, 0), nothing);
    assert.deepEqual(planFleet([leaving, spare, ...many.slice(1)], ONE, 0), { ...nothing, promote: [spare] });
  });

  test('replaces a spare that asks for it', () => {
    const refused: Placed = { ...spare, leaving: true };
    assert.deepEqual(planFleet([serving, refused], ONE, 0), { ...nothing, relieve: [refused], start: 1 });
    assert.deepEqual(planFleet([refused], ONE, 0).promote, []);
  });

  test('carried out again and again fills every place and every spare, whatever happened before', () => {
    const any = fc.array(fc.constantFrom(starting, spare, opening, serving, leaving, draining, lost), {
      maxLength: 12,
    });
    const size = fc.record({ processes: fc.integer({ min: 1, max: 4 }), spares: fc.integer({ min: 0, max: 3 }) });
    fc.assert(
      fc.property(any, size, (members, wanted) => {
        const settled = settle(members, wanted);
        const accepting = settled.filter(member => member.accepting).length;
        assert.ok(accepting >= wanted.processes, `${accepting} accept`);
        assert.ok(settled.filter(({ state }) => state === 'spare').length >= wanted.spares);
        assert.deepEqual(planFleet(settled, wanted, 0), nothing);
      }),
    );
  });
});

/** Carries out plans, each process going its way as fast as it can, until there is nothing to do. */
function settle(members: readonly Placed[], wanted: Parameters<typeof planFleet>[1]): readonly Placed[] {
  // Each a process of its own, though some are alike.
  let current = members.map(member => ({ ...member }));
  for (let round = 0; round < 30; round += 1) {
    const { promote, relieve, start } = planFleet(current, wanted, 0);
    const moved = current.flatMap(member => {
      if (promote.includes(member)) return [{ ...opening }];
      if (relieve.includes(member)) return [{ ...draining }];
      return advance(member);
    });
    current = [...moved, ...Array.from({ length: start }, () => ({ ...starting }))];
  }
  return current;
}

function advance(member: Placed): readonly Placed[] {
  if (member.state === 'starting') return [{ ...spare }];
  if (member.state === 'serving') return [{ ...member, accepting: true }];
  return member.state === 'draining' || member.state === 'lost' ? [] : [{ ...member }];
}
