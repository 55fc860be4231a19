/** Finds the Rust toolchain. */
import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { AdminError } from '../errors.ts';
import { buildEnvironment } from './environment.ts';

export interface Toolchain {
  /** Absolute path of cargo. */
  readonly cargo: string;
  /** What `rustc -vV` prints: version, commit, host. */
  readonly rustc: string;
  /** What every child process of a build gets. */
  readonly environment: NodeJS.ProcessEnv;
}

/** `rustc -vV` takes 30 ms; through rustup on a machine under load it may take much longer. */
const VERSION_TIMEOUT_MS = 60_000;

const run = promisify(execFile);

/** Looks for cargo on the PATH, then where rustup puts it. @throws AdminError `toolchain_missing` */
export async function findToolchain(environment: NodeJS.ProcessEnv): Promise<Toolchain> {
  const cargo = await findCargo(environment);
  if (cargo === null) throw missing('neither the PATH nor ~/.cargo/bin has cargo');
  const childEnvironment = buildEnvironment(environment, dirname(cargo));
  try {
    const { stdout } = await run('rustc', ['-vV'], { env: childEnvironment, timeout: VERSION_TIMEOUT_MS });
    return { cargo, rustc: stdout, environment: childEnvironment };
  } catch (error) {
    throw missing(`${cargo} is there, but "rustc -vV" fails`, error);
  }
}

async function findCargo(environment: NodeJS.ProcessEnv): Promise<string | null> {
  const cargoHome = environment['CARGO_HOME'] ?? join(environment['HOME'] ?? homedir(), '.cargo');
  const folders = [...(environment['PATH'] ?? '').split(delimiter), join(cargoHome, 'bin')];
  for (const folder of folders) {
    const path = join(folder, 'cargo');
    if (folder !== '' && (await isExecutable(path))) return path;
  }
  return null;
}

const isExecutable = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  );

function missing(why: string, cause?: unknown): AdminError {
  const message = `Rust is not installed: ${why}. Install it with rustup (https://rustup.rs), then restart the gateway.`;
  return new AdminError('toolchain_missing', message, { cause });
}
