import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import { AdminError } from '../../errors.ts';
import type { Logger } from '../../observe/log.ts';
import { answers, ok } from '../answers.ts';
import { buildJson, storedBuildJson } from '../json.ts';
import type { AdminParts } from '../parts.ts';
import { CompiledSchema, EndpointParameterSchema } from '../schemas.ts';

const QuerySchema = z.strictObject({
  wait: z
    .enum(['true', 'false'])
    .optional()
    .openapi({ description: '`false`: answer 202 at once; `GET /api/events` tells how the build goes and ends.' }),
});

const compile = createRoute({
  method: 'post',
  path: '/api/endpoints/{id}/compile',
  summary: 'Build the saved code',
  request: { params: EndpointParameterSchema, query: QuerySchema },
  responses: {
    ...answers(200, 'The build; the endpoint can be deployed.', CompiledSchema),
    ...answers(202, 'The build is under way; `build` is the latest good one.', CompiledSchema),
  },
});

/** A failed build is kept as the endpoint's last error; only what is no fault of the code is worth a line here. */
function reportBackground(log: Logger, endpoint: string, error: unknown): void {
  if (error instanceof AdminError && error.status < 500) return;
  log.error({ event: 'build_failed', endpoint, err: error }, `build of ${endpoint} failed`);
}

export function addBuildRoutes(app: OpenAPIHono, { store, lifecycle, log }: AdminParts): void {
  app.openapi(compile, async c => {
    const { id } = c.req.valid('param');
    if (c.req.valid('query').wait === 'false') {
      lifecycle.requireCode(id);
      lifecycle.compile(id).catch((error: unknown) => reportBackground(log, id, error));
      return c.json(ok(compiled(id)), 202);
    }
    const build = await lifecycle.compile(id);
    return c.json(ok({ ...compiled(id), build: buildJson(build) }), 200);
  });

  function compiled(id: string): z.infer<typeof CompiledSchema> {
    const record = store.endpoint(id);
    if (record === null) throw new AdminError('endpoint_deleted');
    return { state: record.state, build: storedBuildJson(store, record.buildId) };
  }
}
