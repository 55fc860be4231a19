/** A compiler with folders of its own, for tests; what all builds share is compiled once for all test runs. */
import { mkdtempSync } from 'node:fs';
import { mkdir, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CompileProgress, Compiler } from '../../src/build/compiler.ts';
import { createCompiler, type CompilerOptions } from '../../src/build/create-compiler.ts';
import type { BuildRecord, Dependencies } from '../../src/store/records.ts';
import { TEST_BUILD_DIR } from '../support/gateway.ts';
import { ROOT } from '../support/source-tree.ts';

export class Workshop {
  readonly folder: string;
  readonly handlersDir: string;
  readonly dataDir: string;
  readonly compiler: Compiler;
  readonly progress: CompileProgress[] = [];
  readonly warnings: unknown[] = [];
  /** What the control plane would have stored. */
  readonly records: BuildRecord[] = [];

  private constructor(folder: string, options: Partial<CompilerOptions>) {
    this.folder = folder;
    this.handlersDir = join(folder, 'handlers');
    this.dataDir = join(folder, 'data');
    this.compiler = createCompiler({
      handlersDir: this.handlersDir,
      buildDir: TEST_BUILD_DIR,
      dataDir: this.dataDir,
      cratesDir: join(ROOT, 'crates'),
      concurrency: 1,
      timeoutMs: 300_000,
      findBuild: (endpointId, key) =>
        this.records.findLast(one => one.endpointId === endpointId && one.key === key) ?? null,
      onProgress: progress => this.progress.push(progress),
      log: { info: () => undefined, warn: (...line: unknown[]) => this.warnings.push(line) },
      ...options,
    });
  }

  static async open(options: Partial<CompilerOptions> = {}): Promise<Workshop> {
    const folder = await realpath(mkdtempSync(join(tmpdir(), 'edge-gateway-build-')));
    await mkdir(join(folder, 'data'));
    return new Workshop(folder, options);
  }

  async compile(endpointId: string, code: string, dependencies: Dependencies = {}): Promise<BuildRecord> {
    const record = await this.compiler.compile({ endpointId, code, dependencies });
    this.records.push(record);
    return record;
  }

  /** The crates reported while `endpointId` was compiled. */
  crates(endpointId: string): readonly string[] {
    return this.progress.flatMap(one => (one.endpointId === endpointId && one.crate !== null ? [one.crate] : []));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.compiler.close();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The error `work` fails with. */
export async function failureOf(work: Promise<unknown>): Promise<{ code: string; message: string; details: unknown }> {
  try {
    await work;
  } catch (error) {
    return error as { code: string; message: string; details: unknown };
  }
  throw new Error('it did not fail');
}
