/** What the harness knows of a contestant: it can be installed, started in a fresh process, asked and ended. */

/** What a contestant is started with. Every one serves the paths that `contestants/README.md` lists. */
export interface Site {
  /** So many further endpoints `/many/000`, `/many/001`, … */
  readonly many: number;
  /** Settings of the gateway that differ from the default; the others have none. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface Server {
  readonly url: string;
  /** Every process of the contestant that is alive now. */
  pids(): readonly number[];
  /**
   * Processes whose main thread carries the HTTP traffic of every endpoint: what limits an event loop.
   * Empty where no single thread does.
   */
  mainThreads(): Promise<readonly number[]>;
  /**
   * Makes `/version` answer with the next version modulo `VERSIONS`; the first is `FIRST_VERSION`. Resolves once the
   * contestant says that this is done, to milliseconds that it has told itself.
   */
  swap?(version: number): Promise<Readonly<Record<string, number>>>;
  stop(): Promise<void>;
}

export interface Contestant {
  readonly id: string;
  readonly title: string;
  /** How it is set up, and who recommends it so: printed with the results. */
  readonly setUp: string;
  /** Fetches and builds what it needs, once; rejects with the reason why it cannot be. */
  install(): Promise<void>;
  start(site: Site): Promise<Server>;
}

/** So many programs take turns, so that an answer of the one before last never looks like one of the next. */
export const VERSIONS = 3;
export const FIRST_VERSION = 3;

export const PLAIN: Site = { many: 0 };
