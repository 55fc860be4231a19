import { createRoute, type OpenAPIHono } from '@hono/zod-openapi';
import { AdminError } from '../../errors.ts';
import { answers, ok } from '../answers.ts';
import type { AdminParts } from '../parts.ts';
import { EndpointParameterSchema, SavedSourceSchema, SourceSchema } from '../schemas.ts';

const read = createRoute({
  method: 'get',
  path: '/api/endpoints/{id}/code',
  summary: 'Read the saved source code',
  request: { params: EndpointParameterSchema },
  responses: answers(200, 'The code; null when none was saved.', SavedSourceSchema),
});
const save = createRoute({
  method: 'put',
  path: '/api/endpoints/{id}/code',
  summary: 'Save source code; what runs is not touched',
  request: {
    params: EndpointParameterSchema,
    body: { required: true, content: { 'application/json': { schema: SourceSchema } } },
  },
  responses: answers(200, 'The code as it was saved.', SavedSourceSchema),
});

export function addCodeRoutes(app: OpenAPIHono, { store, lifecycle }: AdminParts): void {
  app.openapi(read, c => {
    const record = store.endpoint(c.req.valid('param').id);
    if (record === null) throw new AdminError('endpoint_not_found');
    return c.json(ok({ code: record.code }), 200);
  });
  app.openapi(save, async c => {
    const { code } = c.req.valid('json');
    const record = await lifecycle.change(c.req.valid('param').id, { code });
    return c.json(ok({ code: record.code }), 200);
  });
}
