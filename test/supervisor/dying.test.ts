import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { test } from 'node:test';
import { isDying } from '../../src/supervisor/fleet/dying.ts';
import { eventually } from '../support/eventually.ts';

test('a process is dying from its end on, also while nobody has asked how it ended', async () => {
  assert.equal(isDying(process.pid), false);
  // The shell's child ends and stays what is called a zombie: nobody waits for it.
  const parent = spawn('sh', ['-c', 'sleep 100 & echo $!; exec sleep 100'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  const child = Number(line.toString());
  assert.equal(isDying(child), false);
  process.kill(child, 'SIGKILL');
  await eventually('it is dying', () => isDying(child));
  parent.kill('SIGKILL');
  await once(parent, 'exit');
  assert.equal(isDying(parent.pid ?? 0), true, 'it is gone');
});
