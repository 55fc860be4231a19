/** What calls accept and give: these schemas validate, and the OpenAPI document is generated from them. */
import { z } from '@hono/zod-openapi';
import { dependencyProblem } from '../build/dependencies.ts';
import { POOL_THREADS_MAX } from '../config.ts';
import { parsePattern } from '../protocol/route-pattern.ts';
import type { Dependency } from '../store/records.ts';

const DAY_MS = 86_400_000;
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'ANY'] as const;
const HOST_LABEL = '[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?';
const DOMAIN_PATTERN = new RegExp(`^(\\*|${HOST_LABEL}(\\.${HOST_LABEL})*|\\[[0-9a-f:.]{2,45}\\])$`);
const CODE_LENGTH_MAX = 2 * 1024 * 1024;

const IdSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must match [a-z0-9][a-z0-9-]{0,62}')
  .openapi({ example: 'hello' });

const PathSchema = z
  .string()
  .superRefine((path, context) => {
    const result = parsePattern(path);
    if (!result.ok) context.addIssue({ code: 'custom', message: result.message });
  })
  .openapi({ example: '/users/{id}' });

const DomainSchema = z
  .string()
  .max(253)
  .toLowerCase()
  .regex(DOMAIN_PATTERN, 'must be a host name without port, or "*"')
  .openapi({ example: 'api.example.com' });

const DependencySchema = z.union([
  z.string(),
  z.strictObject({
    version: z.string(),
    features: z.array(z.string()).optional(),
    default_features: z.boolean().optional(),
  }),
]);

/** Checked crate by crate; the result has no key that was not checked. */
const DependenciesSchema = z
  .record(z.string(), DependencySchema)
  .superRefine((dependencies, context) => {
    for (const [name, dependency] of Object.entries(dependencies)) {
      const problem = dependencyProblem(name, dependency as Dependency);
      if (problem !== null) context.addIssue({ code: 'custom', path: [name], message: problem });
    }
  })
  .openapi({ example: { regex: '1' } });

const CodeSchema = z.string().max(CODE_LENGTH_MAX);

const limitFields = {
  timeout_ms: z.int().min(5).max(DAY_MS).nullable().openapi({ description: "null: the gateway's setting applies." }),
  drain_timeout_ms: z
    .int()
    .min(0)
    .max(DAY_MS)
    .nullable()
    .openapi({ description: "null: the gateway's setting applies." }),
  threads: z
    .int()
    .min(1)
    .max(POOL_THREADS_MAX)
    .nullable()
    .openapi({ description: "null: the gateway's setting applies." }),
};

const endpointFields = {
  name: z.string().trim().min(1).max(200),
  path: PathSchema,
  method: z.enum(METHODS),
  domain: DomainSchema,
  description: z.string().max(2_000),
  dependencies: DependenciesSchema,
  code: CodeSchema,
  ...limitFields,
};

export const NewEndpointSchema = z
  .strictObject({ ...endpointFields, id: IdSchema })
  .partial()
  .required({ name: true, path: true })
  .openapi('NewEndpoint');

export const EndpointChangeSchema = z.strictObject(endpointFields).partial().openapi('EndpointChange');

export const SourceSchema = z.strictObject({ code: CodeSchema }).openapi('Source');
export const SavedSourceSchema = z.object({ code: z.string().nullable() });

export const DeployRequestSchema = z.strictObject({ compile: z.boolean().optional() }).openapi('DeployRequest');
export const RollbackRequestSchema = z
  .strictObject({ generation: z.int().min(1).optional() })
  .openapi('RollbackRequest');

const BAKE_SECS_MAX = 86_400;
const BAKE_RULE = `must be a number of seconds from 0 to ${BAKE_SECS_MAX}`;

export const BakeQuerySchema = z.strictObject({
  bake: z
    .string()
    .regex(/^\d+(\.\d+)?$/, BAKE_RULE)
    .transform(Number)
    .refine(secs => secs <= BAKE_SECS_MAX, BAKE_RULE)
    .optional()
    .openapi({
      type: 'number',
      minimum: 0,
      maximum: BAKE_SECS_MAX,
      description:
        'Seconds after this deploy within which a crash loop has the gateway go back to the generation before by itself; ' +
        "0: it never does. Left out: the gateway's setting BAKE_SECS applies.",
      example: 0,
    }),
});

export const EndpointParameterSchema = z.object({
  id: z.string().openapi({ param: { name: 'id', in: 'path' }, example: 'hello' }),
});

export const StateSchema = z.enum(['created', 'compiled', 'loaded', 'draining', 'error']);
const TimeSchema = z.iso.datetime();
const MemorySchema = z.int().openapi({ description: 'Bytes of memory the heaps of the images occupy.' });

const DiagnosticSchema = z.object({
  level: z.string(),
  message: z.string(),
  file: z.string().nullable(),
  line: z.int().nullable(),
  column: z.int().nullable(),
});

export const BuildSchema = z
  .object({
    id: z.string(),
    digest: z.string(),
    duration_ms: z.number(),
    finished_at: TimeSchema,
    cached: z.boolean(),
    warnings: z.array(DiagnosticSchema),
  })
  .openapi('Build');

export const EndpointSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    domain: z.string(),
    path: z.string(),
    method: z.string(),
    description: z.string(),
    dependencies: z.record(z.string(), DependencySchema),
    state: StateSchema,
    generation: z.int().nullable(),
    build: BuildSchema.nullable(),
    last_error: z
      .object({ code: z.string(), message: z.string(), at: TimeSchema })
      .nullable()
      .openapi({
        description:
          'The code of a failed build, until a good one; or until the next swap `load_failed`, `crash_loop` (in state ' +
          '`error`) or `rolled_back`: the gateway went back to the generation before by itself.',
      }),
    ...limitFields,
    memory_bytes: MemorySchema,
    created_at: TimeSchema,
    updated_at: TimeSchema,
  })
  .openapi('Endpoint');

export const GenerationSchema = z
  .object({
    generation: z.int(),
    build: BuildSchema.nullable().openapi({ description: 'null: no longer kept.' }),
    cause: z
      .enum(['deploy', 'rollback', 'automatic_rollback', 'rebuild'])
      .nullable()
      .openapi({ description: 'Why it was made; null: an older version of the gateway made it.' }),
    state: z.enum(['loading', 'serving', 'draining', 'retired', 'failed']),
    in_flight: z.int(),
    requests: z.int(),
    memory_bytes: MemorySchema,
    loaded_at: TimeSchema.nullable(),
    draining_since: TimeSchema.nullable(),
    retired_at: TimeSchema.nullable(),
    outcome: z.enum(['drained', 'forced']).nullable(),
  })
  .openapi('Generation');

export const DeployedSchema = z
  .object({ state: StateSchema, generation: z.int(), swap_ms: z.number(), load_ms: z.number() })
  .openapi('Deployed');

export const CompiledSchema = z.object({ state: StateSchema, build: BuildSchema.nullable() }).openapi('Compiled');

const FrameSchema = z.object({
  function: z.string().nullable(),
  file: z.string().nullable(),
  line: z.int().nullable(),
  offset: z.string(),
});

export const HandlerLogSchema = z
  .object({
    at: TimeSchema,
    kind: z.enum(['log', 'fault']),
    level: z.enum(['error', 'warn', 'info', 'debug']),
    message: z.string(),
    generation: z.int(),
    request_id: z.string().nullable(),
    fault: z.record(z.string(), z.unknown()).nullable().openapi({ description: 'Of a fault: what it was, and where.' }),
    backtrace: z.array(FrameSchema).nullable().openapi({
      description:
        "Of a fault: the functions it was in, innermost first. Files of the endpoint's own begin with `src/`; without symbols there are only offsets in the library.",
    }),
  })
  .openapi('HandlerLog');

export const StatsSchema = z
  .object({
    version: z.string(),
    uptime_secs: z.number(),
    endpoints: z.record(StateSchema, z.int()),
    requests_total: z.int(),
    in_flight: z.int(),
    worker_threads: z.int(),
    libraries_mapped: z.int(),
    handler_memory_bytes: MemorySchema,
    processes: z.array(
      z.object({
        pid: z.int(),
        state: z.enum(['starting', 'serving', 'spare', 'draining']),
        since: TimeSchema,
        faults: z.int(),
      }),
    ),
  })
  .openapi('Stats');

export const HealthSchema = z.object({ status: z.literal('healthy'), version: z.string() }).openapi('Health');
