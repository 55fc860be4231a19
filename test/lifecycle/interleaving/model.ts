/**
 * What has to come of the calls to one endpoint, as the documentation reads: calls take effect one after the other, in
 * the order in which they came. Times are steps of the run; what happens in one step has no order.
 */

/** `undeploy` takes its turn, and answers when everything is drained, which is no part of the turn. */
export type CallKind = 'save' | 'deploy' | 'rollback' | 'undeploy' | 'remove';

/** How a call ended: the error's code, or null; and which code serves in which generation, if it deployed. */
export interface CallEnd {
  readonly error: string | null;
  readonly deployed: Deployed | null;
}

export interface Deployed {
  readonly generation: number;
  readonly code: string;
}

export interface Call {
  readonly kind: CallKind;
  /** Of which life of the endpoint: it can be deleted and created again. */
  readonly life: number;
  /** null: nothing is deployed by it, nor taken away. */
  readonly change: Change | null;
  hasTakenEffect: boolean;
}

/** What serves from some step on. */
interface Change {
  /** null: nothing. */
  to: string | null;
  readonly begunAt: number;
  endedAt: number;
}

interface Generation extends Deployed {
  readonly hasServed: boolean;
}

/** Which code a request was answered with, and by which generation of the endpoint's life. */
export const labelOf = ({ code, generation }: Deployed): string => `${code} as generation ${generation}`;

/** `bad` code no process can load, `half` only some. */
const mayFailToLoad = (code: string | null): boolean => code !== null && /bad|half/.test(code);

/** Past so many generations, older builds are no longer kept, and a rollback may find none. */
const BUILDS_KEPT = 9;

export class EndpointModel {
  readonly id: string;
  readonly violations: string[] = [];
  exists = false;
  life = 0;
  serving: Deployed | null = null;
  /** The step in which it was deleted last. */
  #deletedAt = -1;
  /** The latest build, by the step since which it is. */
  #latest: { readonly code: string | null; readonly since: number }[] = [{ code: null, since: 0 }];
  #generations: Generation[] = [];
  readonly #calls: Call[] = [];
  readonly #changes: Change[] = [];

  constructor(id: string) {
    this.id = id;
  }

  get isBuilt(): boolean {
    return this.#latest.length > 1;
  }

  /** Generations of its present life that are over: they have served, or could not be loaded. */
  get generationStates(): readonly string[] {
    return this.#generations.map(({ generation, hasServed }) => {
      if (generation === this.serving?.generation) return 'serving';
      return hasServed ? 'retired' : 'failed';
    });
  }

  created(now: number): void {
    this.exists = true;
    this.life += 1;
    this.serving = null;
    this.#latest = [{ code: null, since: now }];
    this.#generations = [];
  }

  deleted(now: number): void {
    this.exists = false;
    this.serving = null;
    this.#deletedAt = now;
    const remove = this.#calls.find(({ kind, life }) => kind === 'remove' && life === this.life);
    if (remove === undefined) this.violations.push(`${this.id} was deleted, and nobody had asked for that`);
    else remove.hasTakenEffect = true;
  }

  /** The endpoint of which this is a life is not there any more. */
  isGone(life: number): boolean {
    return life !== this.life || !this.exists;
  }

  /** It went in this very step, so that a call may have been over before, or not. */
  wentAt(step: number): boolean {
    return this.#deletedAt === step;
  }

  compiled(code: string, now: number): void {
    this.#latest.push({ code, since: now });
  }

  begin(kind: CallKind, now: number): Call {
    const change = kind === 'save' ? null : { to: null, begunAt: now, endedAt: Infinity };
    const call = { kind, life: this.life, change, hasTakenEffect: false };
    // One that comes when there is no endpoint is refused at once.
    if (!this.exists) return call;
    this.#calls.push(call);
    if (change !== null) this.#changes.push(change);
    return call;
  }

  end(call: Call, end: CallEnd, now: number): void {
    if (!this.#calls.includes(call)) {
      if (end.error !== 'endpoint_not_found') this.#wrong(call, end, 'endpoint_not_found');
      return;
    }
    this.#overtake(call);
    this.#calls.splice(this.#calls.indexOf(call), 1);
    if (call.kind === 'remove' && call.hasTakenEffect) this.#expect(call, end, null);
    else if (!this.isGone(call.life)) this.#judge(call, end, now);
    else {
      if (end.error !== 'endpoint_deleted' && !this.wentAt(now)) this.#wrong(call, end, 'endpoint_deleted');
      this.#withdraw(call);
    }
    if (call.change !== null) call.change.endedAt = now;
  }

  /** Everything that may answer a request sent at this step; null: nothing, it may be refused. */
  allowedAt(sentAt: number): Set<string | null> {
    const all: Change[] = [{ to: null, begunAt: 0, endedAt: 0 }, ...this.#changes];
    const allowed = all.filter(({ begunAt }, index) => {
      const supersededAt = Math.min(...all.slice(index + 1).map(({ endedAt }) => endedAt));
      return begunAt <= sentAt && supersededAt >= sentAt;
    });
    return new Set(allowed.map(({ to }) => to));
  }

  /** Whether a change has begun since, so that what served then may have been forced out. */
  changedSince(step: number): boolean {
    return this.#changes.some(({ endedAt }) => endedAt >= step);
  }

  /** What came before a call has taken effect before it. */
  #overtake(call: Call): void {
    for (const earlier of this.#calls.slice(0, this.#calls.indexOf(call))) {
      if (earlier.kind !== 'undeploy') this.violations.push(`${call.kind} of ${this.id} overtook ${earlier.kind}`);
      else this.#takeAway(earlier);
    }
  }

  #takeAway(call: Call): void {
    if (!call.hasTakenEffect && call.life === this.life) this.serving = null;
    call.hasTakenEffect = true;
  }

  #judge(call: Call, end: CallEnd, now: number): void {
    switch (call.kind) {
      case 'save':
        return this.#expect(call, end, null);
      case 'deploy':
        return this.#judgeDeploy(call, end, now);
      case 'rollback':
        return this.#judgeRollback(call, end);
      case 'undeploy':
        this.#takeAway(call);
        return this.#expect(call, end, null);
      case 'remove':
        return this.#wrong(call, end, 'a deletion');
    }
  }

  #judgeDeploy(call: Call, end: CallEnd, now: number): void {
    const candidates = this.#latestDuring(call.change?.begunAt ?? 0, now);
    if (end.error === 'not_compiled' && candidates.includes(null)) return this.#withdraw(call);
    if (end.error === 'load_failed' && candidates.some(mayFailToLoad)) return this.#failToLoad(call);
    const deployable = candidates.filter(code => code !== null && !code.includes('bad'));
    if (end.error !== null || end.deployed === null || !deployable.includes(end.deployed.code)) {
      return this.#wrong(call, end, `one of ${deployable.join(', ') || 'nothing'}`);
    }
    this.#deployed(call, end.deployed);
  }

  #judgeRollback(call: Call, end: CallEnd): void {
    const earlier = this.#generations.findLast(
      ({ generation, code, hasServed }) =>
        hasServed && generation < (this.serving?.generation ?? Infinity) && code !== this.serving?.code,
    );
    if (end.error === 'load_failed' && mayFailToLoad(earlier?.code ?? null)) return this.#failToLoad(call);
    const mayBeGone = this.#generations.length > BUILDS_KEPT;
    if (end.error === 'no_earlier_generation' && (earlier === undefined || mayBeGone)) return this.#withdraw(call);
    if (end.error !== null || end.deployed === null || (end.deployed.code !== earlier?.code && !mayBeGone)) {
      return this.#wrong(call, end, earlier?.code ?? 'no_earlier_generation');
    }
    this.#deployed(call, end.deployed);
  }

  #deployed(call: Call, deployed: Deployed): void {
    if (deployed.generation !== this.#generations.length + 1) {
      this.violations.push(`${labelOf(deployed)} of ${this.id} comes after ${this.#generations.length} others`);
    }
    this.#generations.push({ ...deployed, hasServed: true });
    this.serving = deployed;
    if (call.change !== null) call.change.to = labelOf(deployed);
  }

  #failToLoad(call: Call): void {
    this.#generations.push({ generation: this.#generations.length + 1, code: '', hasServed: false });
    this.#withdraw(call);
  }

  /** It has changed nothing, so what it was to bring must never answer. */
  #withdraw({ change }: Call): void {
    if (change !== null) this.#changes.splice(this.#changes.indexOf(change), 1);
  }

  #latestDuring(from: number, until: number): (string | null)[] {
    return this.#latest
      .filter(({ since }, index) => since <= until && (this.#latest[index + 1]?.since ?? Infinity) >= from)
      .map(({ code }) => code);
  }

  #expect(call: Call, end: CallEnd, error: string | null): void {
    if (end.error !== error) this.#wrong(call, end, error ?? 'success');
  }

  #wrong({ kind }: Call, end: CallEnd, expected: string): void {
    this.violations.push(`${kind} of ${this.id} ended with ${JSON.stringify(end)}, expected was ${expected}`);
  }
}
