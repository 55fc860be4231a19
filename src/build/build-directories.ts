import { existsSync } from 'node:fs';
import PQueue from 'p-queue';

/** Runs builds one after the other, as cargo would: it locks a build directory for as long as it builds there. */
class BuildDirectory {
  readonly path: string;
  /** What all endpoints share is compiled in it. */
  isPrimed = false;
  readonly #builds = new PQueue({ concurrency: 1 });

  constructor(path: string) {
    this.path = path;
  }

  /** Builds that run or wait here. */
  get load(): number {
    return this.#builds.size + this.#builds.pending;
  }

  run<T>(work: () => Promise<T>): Promise<T> {
    return this.#builds.add(work);
  }
}

/** What a build directory begins with: the compiled crates of another one. */
export type CopyDirectory = (from: string, to: string) => Promise<void>;

/**
 * The directories in which cargo builds what endpoints share, one for each build at once. The first is the one that builds
 * by hand use as well; the others are copies of it. An endpoint stays in the directory it was built in last, where its own
 * incremental results are, unless that is taken and another one is free.
 */
export class BuildDirectories {
  readonly #directories: readonly BuildDirectory[];
  readonly #first: BuildDirectory;
  readonly #copy: CopyDirectory;
  readonly #lastOf = new Map<string, BuildDirectory>();

  constructor(options: { readonly path: string; readonly count: number; readonly copy: CopyDirectory }) {
    const { path, count, copy } = options;
    this.#first = new BuildDirectory(path);
    const others = Array.from({ length: count - 1 }, (_, index) => new BuildDirectory(`${path}-${index + 2}`));
    this.#directories = [this.#first, ...others];
    this.#copy = copy;
    // It serves in any state: the first build compiles what it lacks.
    this.#first.isPrimed = true;
  }

  get paths(): readonly string[] {
    return this.#directories.map(({ path }) => path);
  }

  /** Runs a build of the endpoint in the directory that suits it best. */
  build<T>(endpointId: string, work: (path: string) => Promise<T>): Promise<T> {
    const directory = this.#choose(endpointId);
    this.#lastOf.set(endpointId, directory);
    return directory.run(() => work(directory.path));
  }

  /** Makes a directory ready for builds; all but the first are used only then. `work` compiles what endpoints share. */
  prime(path: string, work: () => Promise<void>): Promise<void> {
    const directory = this.#directories.find(one => one.path === path) ?? this.#first;
    return directory.run(async () => {
      if (directory !== this.#first && !existsSync(path)) {
        // While nothing is built there, so that nothing half written is copied.
        await this.#first.run(() => this.#copy(this.#first.path, path));
      }
      await work();
      directory.isPrimed = true;
    });
  }

  /** The endpoint is gone. */
  forget(endpointId: string): void {
    this.#lastOf.delete(endpointId);
  }

  #choose(endpointId: string): BuildDirectory {
    const last = this.#lastOf.get(endpointId);
    if (last?.load === 0) return last;
    const primed = this.#directories.filter(({ isPrimed }) => isPrimed);
    return primed.reduce((best, one) => (one.load < best.load ? one : best), last ?? this.#first);
  }
}
