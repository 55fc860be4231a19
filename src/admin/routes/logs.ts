import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import { LIMITS } from '../../config.ts';
import { AdminError } from '../../errors.ts';
import { answers, ok } from '../answers.ts';
import { eventStream } from '../event-stream.ts';
import { handlerLogJson } from '../json.ts';
import type { AdminParts } from '../parts.ts';
import { EndpointParameterSchema, HandlerLogSchema } from '../schemas.ts';

const QuerySchema = z.strictObject({
  follow: z.enum(['true', 'false']).optional().openapi({
    description: '`true`: server-sent events named `log`, each with one line as its data; the recent lines come first.',
  }),
  limit: z.coerce.number().int().min(1).max(LIMITS.logLinesKept).optional(),
});

const { 200: lines, default: failure } = answers(
  200,
  "The handler's recent log lines and faults, oldest first; with `follow=true` as a stream.",
  z.array(HandlerLogSchema),
);
const read = createRoute({
  method: 'get',
  path: '/api/endpoints/{id}/logs',
  summary: "Read or follow the handler's log",
  request: { params: EndpointParameterSchema, query: QuerySchema },
  responses: {
    200: { ...lines, content: { ...lines.content, 'text/event-stream': { schema: z.string() } } },
    default: failure,
  },
});

export function addLogRoutes(app: OpenAPIHono, { handlerLogs }: AdminParts): void {
  app.openapi(read, c => {
    const log = handlerLogs.of(c.req.valid('param').id);
    if (log === null) throw new AdminError('endpoint_not_found');
    const { follow, limit } = c.req.valid('query');
    const recent = log.recent(limit).map(handlerLogJson);
    if (follow !== 'true') return c.json(ok(recent), 200);
    return eventStream(c, send => {
      for (const data of recent) send({ event: 'log', data });
      return log.follow(entry => send({ event: 'log', data: handlerLogJson(entry) }));
    });
  });
}
