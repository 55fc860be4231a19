/** Installs and builds what contestants and load generators need, each once per run, into the cache. */
import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { BENCH, cacheFolder, TARGET } from './places.ts';

const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;
const REASON_LENGTH_MAX = 400;

/** Runs a program to its end; rejects with the end of what it said. */
export async function run(command: string, args: readonly string[], folder: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(command, args, { cwd: folder, maxBuffer: OUTPUT_BYTES_MAX });
    return stdout;
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string };
    const said = stderr.trim() || message;
    throw new Error(`${command} ${args.slice(0, 2).join(' ')}: ${said.slice(-REASON_LENGTH_MAX)}`, { cause: error });
  }
}

const once = new Map<string, Promise<string>>();

function memoized(key: string, work: () => Promise<string>): Promise<string> {
  const running = once.get(key) ?? work();
  once.set(key, running);
  return running;
}

const isSame = (left: string, right: string): boolean =>
  existsSync(right) && readFileSync(left, 'utf8') === readFileSync(right, 'utf8');

/** Installs the packages that a contestant's lock file pins; gives the folder they are in. */
export function installPackages(id: string): Promise<string> {
  return memoized(`npm ${id}`, async () => {
    const source = join(BENCH, 'contestants', id);
    const folder = cacheFolder('contestants', id);
    const [lock, marker] = [join(source, 'package-lock.json'), join(folder, 'installed-lock.json')];
    if (isSame(lock, marker)) return folder;
    for (const name of ['package.json', 'package-lock.json']) copyFileSync(join(source, name), join(folder, name));
    await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], folder);
    copyFileSync(lock, marker);
    return folder;
  });
}

/** Builds one of the bench's Rust programs; gives its path. */
export function buildProgram(name: string): Promise<string> {
  return memoized(`cargo ${name}`, async () => {
    const args = ['build', '--release', '--locked', '--quiet', '--package', name, '--target-dir', TARGET];
    await run('cargo', args, BENCH);
    return join(TARGET, 'release', name);
  });
}
