import type { EndpointSpec, GenerationSpec } from '../protocol/control.ts';
import type { EndpointRecord } from '../store/records.ts';
import type { Committed, DataPlane } from './data-plane.ts';
import type { DrainLedger } from './drain-ledger.ts';
import { endpointSpec, type EndpointDefaults } from './endpoint-spec.ts';

/** What is routed where: knows the artifact behind each serving generation, and tells the gateway processes of changes. */
export class Routing {
  readonly #dataPlane: DataPlane;
  readonly #ledger: DrainLedger;
  readonly #defaults: EndpointDefaults;
  readonly #serving = new Map<string, GenerationSpec>();

  constructor(options: { dataPlane: DataPlane; ledger: DrainLedger; defaults: EndpointDefaults }) {
    this.#dataPlane = options.dataPlane;
    this.#ledger = options.ledger;
    this.#defaults = options.defaults;
  }

  /** Takes over what served before the program started; nothing is told. */
  adopt(record: EndpointRecord, serving: GenerationSpec | null): EndpointSpec {
    if (serving !== null) this.#serving.set(record.id, serving);
    return this.spec(record);
  }

  spec(record: EndpointRecord, serving: GenerationSpec | null = this.#serving.get(record.id) ?? null): EndpointSpec {
    return endpointSpec(record, serving, this.#defaults);
  }

  /** Whether new requests go to this generation. */
  isServing(id: string, generation: number): boolean {
    return this.#serving.get(id)?.generation === generation;
  }

  /** The gateway processes have let go of this generation by themselves: no change of the endpoint brings it back to them. */
  drop(id: string, generation: number): void {
    if (this.isServing(id, generation)) this.#serving.delete(id);
  }

  /** New limits or another route for what serves already. */
  async refresh(record: EndpointRecord): Promise<void> {
    await this.#dataPlane.commit(record.id, this.spec(record));
  }

  /** Sends new requests to `serving` (null: to nothing); the generation `superseded` drains from now on. */
  async swap(record: EndpointRecord, serving: GenerationSpec | null, superseded: number | null): Promise<Committed> {
    if (serving === null) this.#serving.delete(record.id);
    else this.#serving.set(record.id, serving);
    return this.#commit(record.id, this.spec(record, serving), superseded);
  }

  async remove(id: string, superseded: number | null): Promise<void> {
    this.#serving.delete(id);
    await this.#commit(id, null, superseded);
  }

  async #commit(id: string, spec: EndpointSpec | null, superseded: number | null): Promise<Committed> {
    const holders = this.#dataPlane.holders();
    const committed = this.#dataPlane.commit(id, spec);
    if (superseded !== null) this.#ledger.begin(id, superseded, holders);
    return committed;
  }
}
