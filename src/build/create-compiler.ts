import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Logger } from 'pino';
import { AdminError } from '../errors.ts';
import type { BuildRecord } from '../store/records.ts';
import { Artifacts } from './artifacts.ts';
import { BuildDirectories } from './build-directories.ts';
import { buildKey } from './build-key.ts';
import { Cargo } from './cargo.ts';
import { CompileQueue } from './compile-queue.ts';
import type { CompileInput, CompilePhase, CompileProgress, Compiler } from './compiler.ts';
import { inspectLibrary } from './library.ts';
import { OwnCrate, type OwnCrateName } from './own-crate.ts';
import { primeBuildDirectory } from './priming.ts';
import { Projects, type Project } from './project.ts';
import { onDisk } from './storage.ts';
import { stripLibrary } from './symbols/strip.ts';
import { SymbolMaker } from './symbols/symbol-maker.ts';

export interface CompilerOptions {
  readonly handlersDir: string;
  readonly buildDir: string;
  readonly dataDir: string;
  /** The repository's `crates` folder. */
  readonly cratesDir: string;
  /** Builds at once. */
  readonly concurrency: number;
  /** Most one run of cargo may take. */
  readonly timeoutMs: number;
  /** The newest recorded build of an endpoint with this key: `Store.buildByKey`. */
  findBuild(endpointId: string, key: string): BuildRecord | null;
  onProgress?(progress: CompileProgress): void;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  /** What is allowed of it reaches cargo; default: this process's own. */
  readonly environment?: NodeJS.ProcessEnv;
}

/** The build side, ready for use; it creates HANDLERS_DIR and looks for the toolchain when it first needs it. */
export function createCompiler(options: CompilerOptions): Compiler {
  return new CargoCompiler(options);
}

/** Each is in vain only when another gateway has built an endpoint of the same id in the moments before. */
const COMPILE_ATTEMPTS = 10;
const BUILD_DIRECTORY_CONTESTED =
  'Another gateway keeps building an endpoint of the same id in the same BUILD_DIR; give each its own, or try again.';

class CargoCompiler implements Compiler {
  readonly #options: CompilerOptions;
  readonly #cargo: Cargo;
  readonly #artifacts: Artifacts;
  readonly #guard: OwnCrate;
  readonly #symbolMaker: SymbolMaker;
  readonly #queue: CompileQueue;
  /** With third-party crates and the SDK, compiled once for all endpoints. */
  readonly #directories: BuildDirectories;
  #projects: Promise<Projects> | null = null;
  #closed = false;

  constructor(options: CompilerOptions) {
    const { buildDir, dataDir, cratesDir, timeoutMs, concurrency, log, environment = process.env } = options;
    this.#options = options;
    this.#cargo = new Cargo({ environment, timeoutMs });
    this.#directories = new BuildDirectories({
      path: resolve(buildDir, 'handlers'),
      count: concurrency,
      copy: (from, to) => this.#cargo.copyBuildDirectory(from, to),
    });
    this.#artifacts = new Artifacts(join(dataDir, 'artifacts'));
    const ownCrate = (crate: OwnCrateName): OwnCrate =>
      new OwnCrate({ cargo: this.#cargo, cratesDir, buildDir: resolve(buildDir), dataDir, crate });
    this.#guard = ownCrate('rust-edge-gateway-guard');
    const program = ownCrate('rust-edge-gateway-symbols');
    this.#symbolMaker = new SymbolMaker({ program, artifacts: this.#artifacts, log });
    const work = {
      answer: (input: CompileInput) => this.#reported(input, () => this.#answer(input)),
      build: (input: CompileInput) => this.#reported(input, () => this.#build(input)),
    };
    this.#queue = new CompileQueue({ concurrency, work });
  }

  async compile(input: CompileInput): Promise<BuildRecord> {
    this.#refuseWhenClosed();
    this.#report(input, 'waiting');
    return this.#queue.submit(input);
  }

  artifactPath(digest: string): Promise<string | null> {
    return onDisk(() => this.#artifacts.path(digest));
  }

  symbols(digest: string): Promise<Buffer | null> {
    return this.#symbolMaker.table(digest);
  }

  async guardPath(): Promise<string> {
    this.#refuseWhenClosed();
    return this.#guard.path();
  }

  async prime(): Promise<void> {
    for (const path of this.#directories.paths) {
      if (this.#closed) return;
      await this.#queue.inBackground(() => this.#prime(path));
    }
  }

  async #prime(path: string): Promise<void> {
    const { cratesDir, buildDir, log } = this.#options;
    const start = performance.now();
    const environment = buildEnvironment(path);
    const build = { cargo: this.#cargo, cratesDir, buildDir: resolve(buildDir), environment };
    try {
      await this.#directories.prime(path, () => primeBuildDirectory(build));
      log.info({ path, durationMs: Math.round(performance.now() - start) }, 'the build directory is primed');
    } catch (error) {
      if (this.#closed) return;
      log.warn({ path, err: error }, 'the build directory cannot be primed; builds will take longer');
    }
  }

  collectGarbage(kept: ReadonlySet<string>): Promise<void> {
    return onDisk(() => this.#artifacts.collectGarbage(kept));
  }

  removeProject(endpointId: string): Promise<void> {
    return this.#queue.inLane(endpointId, () => {
      this.#directories.forget(endpointId);
      return onDisk(async () => (await this.#openProjects()).remove(endpointId));
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([this.#cargo.close(), this.#symbolMaker.close()]);
    await this.#queue.idle();
  }

  /** An earlier build of the same input, if its artifact is still whole. */
  async #answer(input: CompileInput): Promise<BuildRecord | null> {
    this.#refuseWhenClosed();
    const start = performance.now();
    const projects = await this.#openProjects();
    const key = await this.#key(projects, input);
    const earlier = this.#options.findBuild(input.endpointId, key);
    if (earlier === null) return null;
    this.#artifacts.handOut(earlier.digest);
    if ((await this.#artifacts.path(earlier.digest)) === null) return null;
    await projects.write(input);
    const durationMs = performance.now() - start;
    return { ...earlier, id: randomUUID(), durationMs, finishedAt: Date.now(), cached: true };
  }

  async #build(input: CompileInput): Promise<BuildRecord> {
    this.#refuseWhenClosed();
    const start = performance.now();
    this.#report(input, 'compiling');
    const projects = await this.#openProjects();
    const project = await projects.write(input);
    const { productPath, output } = await this.#compileAnew(input, projects, project);
    const library = await readFile(productPath);
    const abi = inspectLibrary(library);
    const digest = await this.#artifacts.store(stripLibrary(library));
    this.#symbolMaker.make({ digest, library, folders: [project.folder, projects.cratesDir] });
    return {
      id: randomUUID(),
      endpointId: input.endpointId,
      // Only now: cargo may have changed the lock file, and the next build of the same input will begin with that one.
      key: await this.#key(projects, input),
      digest,
      abi,
      durationMs: performance.now() - start,
      finishedAt: Date.now(),
      cached: false,
      warnings: output.warnings,
      code: input.code,
      dependencies: input.dependencies,
    };
  }

  /**
   * To cargo, projects of one name are the same wherever they lie, and in a build directory that several gateways share,
   * another one's endpoint may have the same id: while this build waited for its turn, that may have been compiled, and
   * looks up to date. What cargo has not compiled now is not taken.
   */
  async #compileAnew(input: CompileInput, projects: Projects, project: Project) {
    for (let attempt = 0; attempt < COMPILE_ATTEMPTS; attempt += 1) {
      await projects.touch(project);
      const result = await this.#directories.build(input.endpointId, path => this.#runCargo(input, project, path));
      if (!result.output.productIsFresh) return result;
    }
    throw new AdminError('internal_error', BUILD_DIRECTORY_CONTESTED);
  }

  #runCargo(input: CompileInput, { folder, library }: Project, buildDirectory: string) {
    return this.#cargo.build({
      folder,
      target: library,
      environment: buildEnvironment(buildDirectory),
      onCrate: crate => this.#report(input, 'compiling', crate),
    });
  }

  async #key(projects: Projects, input: CompileInput): Promise<string> {
    const [{ rustc }, lock] = await Promise.all([this.#cargo.toolchain(), projects.lockText(input.endpointId)]);
    const { endpointId, code } = input;
    const { manifest } = projects.describe(input);
    return buildKey({ endpointId, code, manifest, lock, rustc, cratesDir: projects.cratesDir });
  }

  /** Opened when first needed, so that a gateway whose HANDLERS_DIR cannot be written still serves. */
  #openProjects(): Promise<Projects> {
    const { handlersDir, cratesDir } = this.#options;
    const buildDirs = this.#directories.paths;
    this.#projects ??= Projects.open({ handlersDir, cratesDir, buildDirs }).catch((error: unknown) => {
      this.#projects = null;
      throw error;
    });
    return this.#projects;
  }

  async #reported<T>(input: CompileInput, work: () => Promise<T>): Promise<T> {
    try {
      const result = await onDisk(work);
      if (result !== null) this.#report(input, 'finished');
      return result;
    } catch (error) {
      this.#report(input, 'failed');
      throw error;
    }
  }

  #report({ endpointId }: CompileInput, phase: CompilePhase, crate: string | null = null): void {
    this.#options.onProgress?.({ endpointId, phase, crate });
  }

  #refuseWhenClosed(): void {
    if (this.#closed) throw new AdminError('shutting_down');
  }
}

/** For the first directory the same as in HANDLERS_DIR's Cargo configuration, in case somebody has changed that. */
const buildEnvironment = (directory: string): NodeJS.ProcessEnv => ({ CARGO_BUILD_BUILD_DIR: directory });
