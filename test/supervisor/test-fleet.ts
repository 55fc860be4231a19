/** A fleet of stand-ins for gateway processes: `test/fixtures/fake-gateway.ts`. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DataPlaneListener } from '../../src/lifecycle/data-plane.ts';
import { EventBus, type TimedEvent } from '../../src/observe/events.ts';
import { FigureLedger } from '../../src/observe/figure-ledger.ts';
import type { EndpointSpec, GatewayEvent } from '../../src/protocol/control.ts';
import type { FleetSize, MemberState } from '../../src/supervisor/fleet/fleet-plan.ts';
import { Fleet } from '../../src/supervisor/fleet/fleet.ts';
import { GuardSource } from '../../src/supervisor/guard-source.ts';
import { ListeningSocket } from '../../src/supervisor/listening-socket.ts';
import type { FakeBehaviour } from '../fixtures/fake-gateway.ts';
import { TEST_SETTINGS } from '../support/data-plane-settings.ts';

const SETTINGS = { ...TEST_SETTINGS, drainTimeoutSecs: 1 };

export function endpoint(id: string, generation: number | null): EndpointSpec {
  const serving = generation === null ? null : { generation, artifactPath: '/artifact.so' };
  const route = { domain: '*', method: 'GET', path: `/${id}` };
  return { id, route, serving, timeoutMs: 100, drainTimeoutMs: 100, threadsMax: 1 };
}

/** A fleet of fake gateway processes, and what is heard of it. */
export class TestFleet {
  readonly fleet: Fleet;
  readonly socket: ListeningSocket;
  readonly folder: string;
  readonly seen: TimedEvent[] = [];
  readonly said: { readonly process: number; readonly event: GatewayEvent }[] = [];
  readonly failed: string[] = [];
  readonly startFailures: string[] = [];
  readonly figures = new FigureLedger();
  readonly listener: DataPlaneListener = {
    retired() {},
    started: (_served, failures) => {
      this.startFailures.push(...failures.map(({ endpoint, code }) => `${endpoint} ${code}`));
    },
    polled() {},
    gone() {},
    crashLooped: (id, generation, crashes) => this.failed.push(`${id} ${generation} crashed ${crashes}`),
    endpointFailed: (id, generation, { code }) => this.failed.push(`${id} ${generation} ${code}`),
  };

  private constructor(folder: string, socket: ListeningSocket, behaviour: FakeBehaviour, size: FleetSize) {
    this.folder = folder;
    this.socket = socket;
    const events = new EventBus();
    events.subscribe(event => this.seen.push(event));
    this.fleet = new Fleet({
      ...size,
      command: [join(import.meta.dirname, '../fixtures/fake-gateway.ts'), JSON.stringify(behaviour), folder],
      listeningFd: socket.fd,
      compileCacheDir: join(folder, 'compile-cache'),
      settings: SETTINGS,
      guard: new GuardSource(async () => '/guard.so'),
      events,
      figures: this.figures,
      onEvent: (process, event) => this.said.push({ process, event }),
    });
  }

  static async open(behaviour: FakeBehaviour = {}, processes = 1, spares = 0): Promise<TestFleet> {
    const folder = await mkdtemp(join(tmpdir(), 'fleet-'));
    return new TestFleet(folder, await ListeningSocket.open('127.0.0.1', 0), behaviour, { processes, spares });
  }

  start(...endpoints: EndpointSpec[]): Promise<void> {
    return this.fleet.start(endpoints, this.listener);
  }

  get pids(): number[] {
    return this.fleet.members.map(member => member.process.pid);
  }

  pidsIn(state: MemberState): number[] {
    return this.fleet.members.filter(member => member.state === state).map(member => member.process.pid);
  }

  /** `state` or `state (reason)` of every process event. */
  get history(): string[] {
    return this.seen.flatMap(event => {
      if (event.type !== 'process') return [];
      return [event.reason === null ? event.state : `${event.state} (${event.reason})`];
    });
  }

  at(state: string): number[] {
    return this.seen.flatMap(event => (event.type === 'process' && event.state === state ? [event.at] : []));
  }

  logs(message: string): Record<string, unknown>[] {
    return this.said.flatMap(({ event }) => (event.kind === 'log' && event.message === message ? [event.fields] : []));
  }

  async answer(): Promise<number> {
    return Number(await (await fetch(this.socket.url, { headers: { connection: 'close' } })).text());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await writeFile(join(this.folder, 'release'), '');
    await this.fleet.shutdown();
    this.socket.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}
