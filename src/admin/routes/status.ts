import { createRoute, type OpenAPIHono, type z } from '@hono/zod-openapi';
import { AdminError } from '../../errors.ts';
import { sumHeapBytes } from '../../protocol/guard.ts';
import { answers, ok, textAnswers } from '../answers.ts';
import type { AdminParts } from '../parts.ts';
import { HealthSchema, StatsSchema } from '../schemas.ts';

const health = createRoute({
  method: 'get',
  path: '/api/health',
  summary: 'Whether the gateway can serve; needs no key',
  security: [],
  responses: answers(200, 'It can; else 503.', HealthSchema),
});
const stats = createRoute({
  method: 'get',
  path: '/api/stats',
  summary: 'What the gateway has done and is doing',
  responses: answers(200, 'Sums over all gateway processes.', StatsSchema),
});
const metrics = createRoute({
  method: 'get',
  path: '/metrics',
  summary: 'Metrics for Prometheus; needs no key',
  security: [],
  responses: textAnswers('text/plain', 'Prometheus text format.'),
});

export function addStatusRoutes(app: OpenAPIHono, parts: AdminParts): void {
  app.openapi(health, c => {
    if (!parts.dataPlane.canServe()) throw new AdminError('not_serving');
    return c.json(ok({ status: 'healthy' as const, version: parts.version }), 200);
  });
  app.openapi(stats, async c => c.json(ok(await statsJson(parts)), 200));
  app.openapi(metrics, async c => {
    const text = await parts.metrics.text();
    return c.body(text, 200, { 'Content-Type': parts.metrics.contentType });
  });
}

async function statsJson(parts: AdminParts): Promise<z.infer<typeof StatsSchema>> {
  const figures = await parts.dataPlane.figures();
  const processes = parts.dataPlane
    .processes()
    .map(({ pid, state, since, faults }) => ({ pid, state, since: new Date(since).toISOString(), faults }));
  return {
    version: parts.version,
    uptime_secs: Math.round((Date.now() - parts.startedAt) / 1_000),
    endpoints: parts.store.endpointCounts(),
    requests_total: figures.requestsTotal,
    in_flight: figures.inFlight,
    worker_threads: figures.workerThreads.serving + figures.workerThreads.standby,
    libraries_mapped: figures.librariesMapped,
    handler_memory_bytes: sumHeapBytes(figures.endpoints).memoryBytes,
    processes,
  };
}
