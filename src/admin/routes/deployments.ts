import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import { AdminError } from '../../errors.ts';
import type { Deployed } from '../../lifecycle/deployer.ts';
import type { BakeOptions } from '../../lifecycle/lifecycle.ts';
import { answers, ok } from '../answers.ts';
import { roundedMs } from '../../observe/milliseconds.ts';
import { endpointJson, generationJson } from '../json.ts';
import type { AdminParts } from '../parts.ts';
import {
  DeployedSchema,
  DeployRequestSchema,
  EndpointParameterSchema,
  EndpointSchema,
  GenerationSchema,
  RollbackRequestSchema,
  BakeQuerySchema,
} from '../schemas.ts';

const optionalBody = <Schema extends z.ZodType>(schema: Schema) => ({
  required: false,
  content: { 'application/json': { schema } },
});

const deploy = createRoute({
  method: 'post',
  path: '/api/endpoints/{id}/deploy',
  summary: 'Load the latest build and swap it in',
  request: { params: EndpointParameterSchema, query: BakeQuerySchema, body: optionalBody(DeployRequestSchema) },
  responses: answers(200, 'New requests go to the new generation; older ones drain.', DeployedSchema),
});
const rollback = createRoute({
  method: 'post',
  path: '/api/endpoints/{id}/rollback',
  summary: "Make a new generation from an earlier one's build; by default from what served immediately before",
  request: { params: EndpointParameterSchema, query: BakeQuerySchema, body: optionalBody(RollbackRequestSchema) },
  responses: answers(200, 'New requests go to the new generation; older ones drain.', DeployedSchema),
});
const undeploy = createRoute({
  method: 'post',
  path: '/api/endpoints/{id}/undeploy',
  summary: 'Refuse new requests at once; answers when the library is drained and unmapped',
  request: { params: EndpointParameterSchema },
  responses: answers(200, 'The endpoint.', EndpointSchema),
});
const generations = createRoute({
  method: 'get',
  path: '/api/endpoints/{id}/generations',
  summary: 'List generations, newest first',
  request: {
    params: EndpointParameterSchema,
    query: z.strictObject({ limit: z.coerce.number().int().min(1).max(1_000).optional() }),
  },
  responses: answers(200, 'The generations.', z.array(GenerationSchema)),
});

const GENERATIONS_SHOWN = 100;

function deployedJson({ state, generation, swapMs, loadMs }: Deployed): z.infer<typeof DeployedSchema> {
  return { state, generation, swap_ms: roundedMs(swapMs), load_ms: roundedMs(loadMs) };
}

const bakeOf = ({ bake }: z.infer<typeof BakeQuerySchema>): BakeOptions => ({
  bakeMs: bake === undefined ? undefined : bake * 1_000,
});

export function addDeploymentRoutes(app: OpenAPIHono, { store, lifecycle, dataPlane }: AdminParts): void {
  app.openapi(deploy, async c => {
    const { id } = c.req.valid('param');
    if (c.req.valid('json').compile === true) await lifecycle.compile(id);
    return c.json(ok(deployedJson(await lifecycle.deploy(id, bakeOf(c.req.valid('query'))))), 200);
  });
  app.openapi(rollback, async c => {
    const { generation } = c.req.valid('json');
    const bake = bakeOf(c.req.valid('query'));
    return c.json(ok(deployedJson(await lifecycle.rollback(c.req.valid('param').id, generation, bake))), 200);
  });
  app.openapi(undeploy, async c => {
    const record = await lifecycle.undeploy(c.req.valid('param').id);
    // What it occupied is gone, and the answer says so.
    await dataPlane.figures();
    return c.json(ok(endpointJson(store, record, dataPlane.lastMemory())), 200);
  });
  app.openapi(generations, async c => {
    const { id } = c.req.valid('param');
    if (store.endpoint(id) === null) throw new AdminError('endpoint_not_found');
    const figures = await dataPlane.figures();
    const records = store.generations(id, c.req.valid('query').limit ?? GENERATIONS_SHOWN);
    return c.json(ok(records.map(record => generationJson(store, record, figures))), 200);
  });
}
