/** The admin API in process, on a control plane without gateway processes. */
import type { OpenAPIHono } from '@hono/zod-openapi';
import pino from 'pino';
import { createAdminApp } from '../../src/admin/app.ts';
import { HandlerLogs } from '../../src/observe/handler-log.ts';
import { Metrics } from '../../src/observe/metrics.ts';
import { NO_FIGURES } from '../../src/observe/figures.ts';
import type { ProcessFigures } from '../../src/protocol/control.ts';
import { ControlPlane } from './control-plane.ts';

export const KEY = 'the-key-of-these-tests';

export interface Answer {
  readonly status: number;
  readonly ok: boolean;
  readonly data: Readonly<Record<string, unknown>>;
  readonly error: { readonly code: string; readonly message: string; readonly details?: unknown };
  readonly next_cursor?: string | null;
}

export class TestAdmin {
  readonly plane: ControlPlane;
  readonly handlerLogs = new HandlerLogs();
  readonly app: OpenAPIHono;
  figures: ProcessFigures = NO_FIGURES;
  /** How often the gateway processes were asked for them. */
  polls = 0;
  canServe = true;

  private constructor(plane: ControlPlane) {
    this.plane = plane;
    const { store, lifecycle, events } = plane;
    events.subscribe(event => {
      if (event.type === 'endpoint' && event.change === 'created') this.handlerLogs.open(event.endpoint);
    });
    const figures = async (): Promise<ProcessFigures> => {
      this.polls += 1;
      return this.figures;
    };
    this.app = createAdminApp({
      store,
      lifecycle,
      events,
      handlerLogs: this.handlerLogs,
      metrics: new Metrics({ events, store, figures }),
      dataPlane: {
        canServe: () => this.canServe,
        processes: () => [{ pid: 101, state: 'serving', since: 1_700_000_000_000, faults: 2 }],
        figures,
        lastMemory: () => new Map(this.figures.endpoints.map(({ endpoint, memoryBytes }) => [endpoint, memoryBytes])),
      },
      log: pino({ level: 'silent' }),
      key: KEY,
      allowedHosts: ['gateway.example', '10.0.0.7'],
      version: '1.2.3',
      startedAt: Date.now(),
    });
  }

  static async open(): Promise<TestAdmin> {
    return new TestAdmin(await ControlPlane.open());
  }

  async send(
    path: string,
    init: Omit<RequestInit, 'headers'> & { headers?: Record<string, string> } = {},
  ): Promise<Response> {
    const headers = { host: 'localhost:8081', authorization: `Bearer ${KEY}`, ...init.headers };
    return this.app.request(`http://localhost:8081${path}`, { ...init, headers });
  }

  async call(method: string, path: string, body?: unknown): Promise<Answer> {
    const content = body === undefined ? {} : { body: JSON.stringify(body) };
    const headers: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' };
    const response = await this.send(`/api${path}`, { method, headers, ...content });
    return { status: response.status, ...((await response.json()) as Omit<Answer, 'status'>) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.plane[Symbol.asyncDispose]();
  }
}
