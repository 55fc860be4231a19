/** Swaps, rollbacks and undeploys of the chaos endpoints: what is asked of the admin API, the history knows. */
import type { RunningGateway } from '../support/gateway.ts';
import type { ChaosEndpoint } from './endpoints.ts';
import { timeoutOf } from './endpoints.ts';
import type { History } from './history.ts';

interface Deployed {
  readonly generation: number;
  readonly text: string;
}

interface State {
  readonly endpoint: ChaosEndpoint;
  /** Generations that may be gone back to, oldest first. */
  readonly generations: Deployed[];
  builds: number;
  /** What is done to one endpoint is done in turn. */
  turn: Promise<unknown>;
}

/** The gateway keeps the artifacts of ten; some of them may have failed. */
const GENERATIONS_KEPT = 6;

/** An admin call that was refused; the caller knows whether it may be. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly code: string;

  constructor(call: string, code: string, message: string) {
    super(`${call}: ${code}: ${message.slice(0, 500)}`);
    this.code = code;
  }
}

export class Deployments {
  readonly #gateway: RunningGateway;
  readonly #history: History;
  readonly #states = new Map<string, State>();
  swaps = 0;

  constructor(gateway: RunningGateway, history: History) {
    this.#gateway = gateway;
    this.#history = history;
  }

  /** Creates an endpoint and gives it its first generations. */
  async create(endpoint: ChaosEndpoint): Promise<void> {
    const { id, options } = endpoint;
    await this.#gateway.must('POST', '/endpoints', { id, name: id, path: `/${id}`, ...options });
    this.#states.set(id, { endpoint, generations: [], builds: 0, turn: Promise.resolve() });
    this.#history.change(id, null).done();
    this.#history.timeout(id, timeoutOf(endpoint));
    for (let build = 0; build < endpoint.builds; build += 1) await this.redeploy(id);
  }

  /** Saves and compiles new code and swaps it in. @throws Refused */
  async redeploy(id: string): Promise<void> {
    await this.#inTurn(id, async state => {
      state.builds += 1;
      const text = `build ${state.builds}`;
      await this.#call('PUT', `/endpoints/${id}/code`, { code: state.endpoint.code(text) });
      await this.#call('POST', `/endpoints/${id}/compile`);
      await this.#swap(state, text, 'deploy');
    });
  }

  /** Swaps in an earlier build that says something else than the one that serves, if there is one. @throws Refused */
  async rollback(id: string, choice: number): Promise<void> {
    await this.#inTurn(id, async state => {
      const serving = state.generations.at(-1);
      const others = state.generations.filter(({ text }) => text !== serving?.text);
      const target = others[choice % others.length] ?? serving;
      if (target !== undefined) await this.#swap(state, target.text, 'rollback', { generation: target.generation });
    });
  }

  /** @throws Refused */
  async undeploy(id: string, meanwhile: () => Promise<unknown>): Promise<void> {
    await this.#inTurn(id, async state => {
      const change = this.#history.change(id, null);
      try {
        await this.#call('POST', `/endpoints/${id}/undeploy`);
        change.done();
      } catch (error) {
        change.failed();
        throw error;
      }
      await meanwhile();
      const last = state.generations.at(-1);
      if (last === undefined) return;
      await this.#swap(state, last.text, 'rollback', { generation: last.generation });
    });
  }

  /** @throws Refused */
  async setLimits(id: string, timeoutMs: number, threads: number): Promise<void> {
    await this.#inTurn(id, async () => {
      const span = this.#history.timeout(id, timeoutMs);
      await this.#call('PUT', `/endpoints/${id}`, { timeout_ms: timeoutMs, threads });
      span.ended();
    });
  }

  /** Compiles code that is never deployed. @throws Refused */
  async compile(id: string): Promise<void> {
    await this.#inTurn(id, async state => {
      state.builds += 1;
      await this.#call('PUT', `/endpoints/${id}/code`, { code: state.endpoint.code(`build ${state.builds}`) });
      await this.#call('POST', `/endpoints/${id}/compile`);
    });
  }

  async #swap(state: State, text: string, how: 'deploy' | 'rollback', body?: object): Promise<void> {
    const { id } = state.endpoint;
    const change = this.#history.change(id, text);
    try {
      const generation = Number((await this.#call('POST', `/endpoints/${id}/${how}`, body))['generation']);
      change.done();
      this.swaps += 1;
      state.generations.push({ generation, text });
      if (state.generations.length > GENERATIONS_KEPT) state.generations.shift();
    } catch (error) {
      change.failed();
      throw error;
    }
  }

  async #call(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
    const answer = await this.#gateway.api(method, path, body);
    if (!answer.ok) throw new Refused(`${method} ${path}`, answer.error.code, answer.error.message);
    return answer.data;
  }

  #inTurn(id: string, work: (state: State) => Promise<void>): Promise<void> {
    const state = this.#states.get(id);
    if (state === undefined) throw new Error(`There is no endpoint ${id}.`);
    const done = state.turn.then(() => work(state));
    state.turn = done.catch(() => {});
    return done;
  }
}
