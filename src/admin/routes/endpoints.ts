import { randomBytes } from 'node:crypto';
import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import { AdminError } from '../../errors.ts';
import type { EndpointChange, EndpointRecord, NewEndpoint } from '../../store/records.ts';
import { answers, envelope, ok } from '../answers.ts';
import { endpointJson } from '../json.ts';
import type { AdminParts } from '../parts.ts';
import {
  EndpointChangeSchema,
  EndpointParameterSchema,
  EndpointSchema,
  NewEndpointSchema,
  StateSchema,
} from '../schemas.ts';

const PAGE_SIZE = 100;
const PAGE_SIZE_MAX = 1_000;
const SLUG_LENGTH_MAX = 40;

const ListQuerySchema = z.strictObject({
  state: StateSchema.optional(),
  limit: z.coerce.number().int().min(1).max(PAGE_SIZE_MAX).optional(),
  cursor: z.string().max(200).optional().openapi({ description: "The page before's `next_cursor`." }),
});
const ListSchema = z.object({
  ok: z.literal(true),
  data: z.array(EndpointSchema),
  next_cursor: z.string().nullable().openapi({ description: 'null: this is the last page.' }),
});
const DeletedSchema = z.object({ id: z.string() });

const jsonBody = <Schema extends z.ZodType>(schema: Schema) => ({
  required: true,
  content: { 'application/json': { schema } },
});

const list = createRoute({
  method: 'get',
  path: '/api/endpoints',
  summary: 'List endpoints, by id',
  request: { query: ListQuerySchema },
  responses: envelope(200, 'One page of endpoints.', ListSchema),
});
const create = createRoute({
  method: 'post',
  path: '/api/endpoints',
  summary: 'Create an endpoint',
  request: { body: jsonBody(NewEndpointSchema) },
  responses: answers(201, 'The endpoint.', EndpointSchema),
});
const read = createRoute({
  method: 'get',
  path: '/api/endpoints/{id}',
  summary: 'Read an endpoint',
  request: { params: EndpointParameterSchema },
  responses: answers(200, 'The endpoint.', EndpointSchema),
});
const change = createRoute({
  method: 'put',
  path: '/api/endpoints/{id}',
  summary: 'Change the given fields: route, name and limits at once, code and dependencies with the next compile',
  request: { params: EndpointParameterSchema, body: jsonBody(EndpointChangeSchema) },
  responses: answers(200, 'The endpoint.', EndpointSchema),
});
const remove = createRoute({
  method: 'delete',
  path: '/api/endpoints/{id}',
  summary: 'Undeploy an endpoint, then delete it and its project folder',
  request: { params: EndpointParameterSchema },
  responses: answers(200, 'What was deleted.', DeletedSchema),
});

const encodeCursor = (id: string): string => Buffer.from(id).toString('base64url');

function decodeCursor(cursor: string): string {
  const id = Buffer.from(cursor, 'base64url').toString();
  if (encodeCursor(id) !== cursor) throw new AdminError('validation_failed', 'cursor: is not one a page gave.');
  return id;
}

/** An id that says what the endpoint is, and that no other has. */
function generatedId(name: string): string {
  const slug = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, SLUG_LENGTH_MAX);
  return `${slug === '' ? 'endpoint' : slug}-${randomBytes(4).toString('hex')}`;
}

function newEndpoint(body: z.infer<typeof NewEndpointSchema>): NewEndpoint {
  return {
    id: body.id ?? generatedId(body.name),
    name: body.name,
    domain: body.domain ?? '*',
    path: body.path,
    method: body.method ?? 'GET',
    description: body.description ?? '',
    code: body.code ?? null,
    dependencies: (body.dependencies ?? {}) as NewEndpoint['dependencies'],
    timeoutMs: body.timeout_ms ?? null,
    drainTimeoutMs: body.drain_timeout_ms ?? null,
    threads: body.threads ?? null,
  };
}

/** Only the fields that were sent. */
function changeOf(body: z.infer<typeof EndpointChangeSchema>): EndpointChange {
  const { timeout_ms: timeoutMs, drain_timeout_ms: drainTimeoutMs, dependencies, ...sameNames } = body;
  const renamed = { timeoutMs, drainTimeoutMs, dependencies: dependencies as NewEndpoint['dependencies'] | undefined };
  const given = Object.entries({ ...sameNames, ...renamed }).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given);
}

export function addEndpointRoutes(app: OpenAPIHono, { store, lifecycle, dataPlane }: AdminParts): void {
  const json = (record: EndpointRecord) => endpointJson(store, record, dataPlane.lastMemory());
  app.openapi(list, c => {
    const { state, limit = PAGE_SIZE, cursor } = c.req.valid('query');
    const page = store.endpoints({
      ...(state === undefined ? {} : { state }),
      ...(cursor === undefined ? {} : { after: decodeCursor(cursor) }),
      limit: limit + 1,
    });
    const shown = page.slice(0, limit);
    const last = page.length > limit ? shown.at(-1) : undefined;
    const memory = dataPlane.lastMemory();
    const next = last === undefined ? null : encodeCursor(last.id);
    return c.json({ ...ok(shown.map(record => endpointJson(store, record, memory))), next_cursor: next }, 200);
  });
  app.openapi(create, async c => {
    const record = await lifecycle.create(newEndpoint(c.req.valid('json')));
    return c.json(ok(json(record)), 201);
  });
  app.openapi(read, c => {
    const record = store.endpoint(c.req.valid('param').id);
    if (record === null) throw new AdminError('endpoint_not_found');
    return c.json(ok(json(record)), 200);
  });
  app.openapi(change, async c => {
    const record = await lifecycle.change(c.req.valid('param').id, changeOf(c.req.valid('json')));
    return c.json(ok(json(record)), 200);
  });
  app.openapi(remove, async c => {
    const { id } = c.req.valid('param');
    await lifecycle.remove(id);
    return c.json(ok({ id }), 200);
  });
}
