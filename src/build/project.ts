/** The Cargo projects of endpoints: one folder each in HANDLERS_DIR, laid out so that `cargo build --release` works in it. */
import { readdir, readFile, realpath, rm, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AdminError } from '../errors.ts';
import type { CompileInput } from './compiler.ts';
import { crateName, manifestText, tomlString } from './manifest.ts';
import { createFolder, readIfThere, writeIfChanged } from './storage.ts';

export interface ProjectsOptions {
  readonly handlersDir: string;
  /** Where what the projects share is compiled; builds by hand use the first. */
  readonly buildDirs: readonly string[];
  readonly cratesDir: string;
}

export interface Project {
  readonly folder: string;
  readonly library: string;
  readonly manifest: string;
}

/** First line of a configuration file that is ours to rewrite. */
const OUR_CONFIGURATION = '# Written by Rust Edge Gateway; remove this line to keep changes.';

export class Projects {
  readonly #options: ProjectsOptions;

  private constructor(options: ProjectsOptions) {
    this.#options = options;
  }

  /** Creates the folders, and lets builds by hand share what the gateway has compiled. */
  static async open(options: ProjectsOptions): Promise<Projects> {
    await createFolder(options.handlersDir);
    const [handlersDir, cratesDir] = await Promise.all([realpath(options.handlersDir), realpath(options.cratesDir)]);
    const projects = new Projects({ ...options, handlersDir, cratesDir });
    await projects.#writeConfiguration();
    return projects;
  }

  get cratesDir(): string {
    return this.#options.cratesDir;
  }

  describe({ endpointId, dependencies }: Pick<CompileInput, 'endpointId' | 'dependencies'>): Project {
    return {
      folder: this.#folder(endpointId),
      library: crateName(endpointId),
      manifest: manifestText({ endpointId, sdkPath: this.#sdkPath(), dependencies }),
    };
  }

  /** The lock file the next build begins with: the project's own, or else the one the gateway's crates were tested with. */
  async lockText(endpointId: string): Promise<string> {
    return (await readIfThere(join(this.#folder(endpointId), 'Cargo.lock'))) ?? (await this.#seedLock());
  }

  /** Brings the folder up to `input`, touching nothing that is so already. The code is written as it is: line 1 is line 1. */
  async write(input: CompileInput): Promise<Project> {
    const project = this.describe(input);
    const file = (name: string): string => join(project.folder, name);
    await createFolder(dirname(file('src/lib.rs')));
    await writeIfChanged(file('Cargo.toml'), project.manifest);
    await writeIfChanged(file('src/lib.rs'), input.code);
    if ((await readIfThere(file('Cargo.lock'))) === null)
      await writeIfChanged(file('Cargo.lock'), await this.#seedLock());
    return project;
  }

  /** Makes cargo compile the source again, which it would not if the file had come back older, say from a backup. */
  async touch(project: Project): Promise<void> {
    const now = new Date();
    await utimes(join(project.folder, 'src/lib.rs'), now, now);
  }

  /** Deletes the folder, and what the build directories hold of this endpoint alone. */
  async remove(endpointId: string): Promise<void> {
    await rm(this.#folder(endpointId), { recursive: true, force: true, maxRetries: 3 });
    const crate = crateName(endpointId);
    const parts = ['deps', 'incremental', '.fingerprint', 'build'];
    const folders = this.#options.buildDirs.flatMap(path => parts.map(name => join(path, 'release', name)));
    await Promise.all(folders.map(folder => removeNamed(folder, crate)));
  }

  /** @throws AdminError `validation_failed`: the API has checked ids, and a path is made of this one */
  #folder(endpointId: string): string {
    if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(endpointId)) throw new AdminError('validation_failed');
    return join(this.#options.handlersDir, endpointId);
  }

  /** In the repository's own layout the path is the one of the documentation; elsewhere it is absolute. */
  #sdkPath(): string {
    const { handlersDir, cratesDir } = this.#options;
    const isRepository = handlersDir === join(dirname(cratesDir), 'handlers');
    return join(isRepository ? '../../crates' : cratesDir, 'rust-edge-gateway-sdk');
  }

  #seedLock(): Promise<string> {
    return readFile(join(this.#options.cratesDir, 'Cargo.lock'), 'utf8');
  }

  async #writeConfiguration(): Promise<void> {
    const path = join(this.#options.handlersDir, '.cargo', 'config.toml');
    const present = await readIfThere(path);
    if (present !== null && !present.startsWith(OUR_CONFIGURATION)) return;
    const text = `${OUR_CONFIGURATION}\n[build]\nbuild-dir = ${tomlString(this.#options.buildDirs[0] ?? '')}\n`;
    await writeIfChanged(path, text);
  }
}

/** Deletes the entries cargo has named after a crate: `handler_x`, `libhandler_x.so`, `handler_x-0123456789abcdef`. */
async function removeNamed(folder: string, crate: string): Promise<void> {
  const pattern = new RegExp(`^(lib)?${crate}(-[0-9a-z]+)?(\\.[a-z]+)?$`);
  const names = await readdir(folder).catch(() => []);
  const ours = names.filter(name => pattern.test(name));
  await Promise.all(ours.map(name => rm(join(folder, name), { recursive: true, force: true, maxRetries: 3 })));
}
