/** What the control plane asks of the build side. */
import type { BuildRecord, Dependencies } from '../store/records.ts';

export interface CompileInput {
  readonly endpointId: string;
  readonly code: string;
  readonly dependencies: Dependencies;
}

export type CompilePhase = 'waiting' | 'compiling' | 'finished' | 'failed';

export interface CompileProgress {
  readonly endpointId: string;
  readonly phase: CompilePhase;
  /** The crate cargo has just finished, while `compiling`. */
  readonly crate: string | null;
}

export interface Compiler {
  /**
   * Builds `input`, or answers from the artifact store. A second call for an endpoint whose build still waits joins it
   * (the newest input wins); one that comes while it runs waits for its own turn.
   * @throws AdminError `compile_failed` (message: rendered output; details: Diagnostic[]), `compile_timeout`,
   *   `library_refused`, `toolchain_missing`, `storage_failed`
   */
  compile(input: CompileInput): Promise<BuildRecord>;

  /** Absolute path of an artifact, or null when it is missing or its content does not match its name. */
  artifactPath(digest: string): Promise<string | null>;

  /**
   * The table of an artifact's symbols (`src/observe/backtrace/symbol-table.ts` reads it), once it is made; null when there
   * is none. Never rejects.
   */
  symbols(digest: string): Promise<Buffer | null>;

  /** Builds the guard if it is not there yet, and gives its path. @throws AdminError `toolchain_missing`, `compile_failed` */
  guardPath(): Promise<string>;

  /** Compiles what all endpoints share, in the background and below the priority of real builds. Never rejects. */
  prime(): Promise<void>;

  /** Deletes artifacts that are not in `kept`. */
  collectGarbage(kept: ReadonlySet<string>): Promise<void>;

  /** Deletes an endpoint's project folder. */
  removeProject(endpointId: string): Promise<void>;

  /** Kills builds that run and refuses new ones. */
  close(): Promise<void>;
}
