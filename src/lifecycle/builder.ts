import { AdminError } from '../errors.ts';
import type { Compiler } from '../build/compiler.ts';
import type { BuildRecord, EndpointRecord } from '../store/records.ts';
import type { Journal } from './journal.ts';

/** Errors that say something about the code; others say something about this machine, and are not kept with the endpoint. */
const CODE_ERRORS = new Set(['compile_failed', 'compile_timeout', 'library_refused']);

/** Compiles an endpoint's saved code and records what came of it. Never touches what runs. */
export class Builder {
  readonly #journal: Journal;
  readonly #compiler: Pick<Compiler, 'compile'>;

  constructor(options: { journal: Journal; compiler: Pick<Compiler, 'compile'> }) {
    this.#journal = options.journal;
    this.#compiler = options.compiler;
  }

  /** @throws AdminError `endpoint_not_found`, `no_code` */
  requireCode(id: string): EndpointRecord & { readonly code: string } {
    const endpoint = this.#journal.endpoint(id);
    const { code } = endpoint;
    if (code === null) throw new AdminError('no_code');
    return { ...endpoint, code };
  }

  /**
   * Builds the saved code; the build becomes the endpoint's latest.
   * @throws AdminError what `requireCode` and `Compiler.compile` throw, `endpoint_deleted`
   */
  async compile(id: string): Promise<BuildRecord> {
    const asked = this.requireCode(id);
    const { code, dependencies } = asked;
    const startedAt = this.#journal.now();
    try {
      const build = await this.#compiler.compile({ endpointId: id, code, dependencies });
      this.#record(asked, build);
      return build;
    } catch (error) {
      this.#recordFailure(asked, error, this.#journal.now() - startedAt);
      throw error;
    }
  }

  /** Builds what an earlier build was made of, for a gateway that cannot load that one's artifact any more. */
  async rebuild(earlier: BuildRecord): Promise<BuildRecord> {
    const { endpointId, code, dependencies } = earlier;
    const build = await this.#compiler.compile({ endpointId, code, dependencies });
    const endpoint = this.#journal.store.endpoint(endpointId);
    if (endpoint === null) throw new AdminError('endpoint_deleted');
    if (endpoint.buildId === earlier.id) this.#record(endpoint, build);
    else this.#keep(build);
    return build;
  }

  #record(endpoint: EndpointRecord, build: BuildRecord): void {
    const { id } = this.#journal.same(endpoint);
    this.#journal.transaction(() => {
      this.#keep(build);
      this.#journal.moveEndpoint(id, 'built', { buildId: build.id, buildError: null });
    });
  }

  /** Every call that joined a build comes here with it; it happened once. */
  #keep(build: BuildRecord): void {
    if (this.#journal.store.build(build.id) !== null) return;
    this.#journal.store.addBuild(build);
    this.#journal.publish({ type: 'build_finished', endpoint: build.endpointId, build });
  }

  #recordFailure({ id, createdAt }: EndpointRecord, error: unknown, durationMs: number): void {
    if (this.#journal.store.endpoint(id)?.createdAt !== createdAt) return;
    const code = error instanceof AdminError ? error.code : 'internal_error';
    const message = error instanceof Error ? error.message : String(error);
    if (CODE_ERRORS.has(code)) {
      this.#journal.moveEndpoint(id, 'build_failed', { buildError: { code, message, at: this.#journal.now() } });
    }
    this.#journal.publish({ type: 'build_failed', endpoint: id, code, message, durationMs });
  }
}
