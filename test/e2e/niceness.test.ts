/** Which of the program's processes goes before the others. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { test } from 'node:test';
import { LIMITS } from '../../src/config.ts';
import { RunningGateway } from '../support/gateway.ts';

const CAP_SYS_NICE = 23n;

function mayGoFirst(): boolean {
  const [, effective = '0'] = /^CapEff:\s+([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return ((BigInt(`0x${effective}`) >> CAP_SYS_NICE) & 1n) === 1n;
}

test('the supervisor goes first where that is allowed, and its gateway processes are as nice as it was', async () => {
  await using gateway = await RunningGateway.start();
  const given = getPriority();
  const expected = mayGoFirst() ? Math.max(-20, given - LIMITS.supervisorGoesFirstBy) : given;
  assert.equal(getPriority(gateway.pid), expected);
  const processes = [...(await gateway.servingPids()), ...(await gateway.pidsIn('spare'))];
  assert.ok(processes.length > 0);
  for (const pid of processes) assert.equal(getPriority(pid), given);
});
