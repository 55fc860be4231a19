import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { TestAdmin } from '../support/admin.ts';

interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}
interface Operation {
  readonly summary?: string;
  readonly security?: readonly object[];
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: object }>> }>
  >;
}

/** Every call of the interface contract. */
const CALLS = [
  'get /api/health',
  'get /api/stats',
  'get /metrics',
  'get /api/endpoints',
  'post /api/endpoints',
  'get /api/endpoints/{id}',
  'put /api/endpoints/{id}',
  'delete /api/endpoints/{id}',
  'get /api/endpoints/{id}/code',
  'put /api/endpoints/{id}/code',
  'post /api/endpoints/{id}/compile',
  'post /api/endpoints/{id}/deploy',
  'post /api/endpoints/{id}/undeploy',
  'post /api/endpoints/{id}/rollback',
  'get /api/endpoints/{id}/generations',
  'get /api/endpoints/{id}/logs',
  'get /api/events',
];

async function documentOf(admin: TestAdmin): Promise<Document> {
  return (await (await admin.send('/api/openapi.json')).json()) as Document;
}

/** The schema with what it refers to in its place. */
function resolved(document: Document, schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(item => resolved(document, item));
  if (typeof schema !== 'object' || schema === null) return schema;
  const reference: unknown = '$ref' in schema ? schema.$ref : undefined;
  if (typeof reference === 'string') {
    return resolved(document, document.components.schemas[reference.split('/').at(-1) ?? '']);
  }
  return Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, resolved(document, value)]));
}

test('the document describes every call, and no other', async () => {
  await using admin = await TestAdmin.open();
  const document = await documentOf(admin);
  assert.match(document.openapi, /^3\.1\./);
  const described = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map(method => `${method} ${path}`),
  );
  assert.deepEqual(described.toSorted(), CALLS.toSorted());
  const routed = admin.app.routes
    .filter(({ method, path }) => method !== 'ALL' && path !== '/' && path !== '/api/openapi.json')
    .map(({ method, path }) => `${method.toLowerCase()} ${path.replaceAll(/:(\w+)/g, '{$1}')}`);
  assert.deepEqual([...new Set(routed)].toSorted(), CALLS.toSorted());
});

test('every call has a summary, its success and the failure; open ones say that they need no key', async () => {
  await using admin = await TestAdmin.open();
  const { paths } = await documentOf(admin);
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, { summary, responses, security }] of Object.entries(operations)) {
      assert.ok(summary !== undefined && summary.length > 5, `${method} ${path}`);
      assert.ok('default' in responses && Object.keys(responses).some(status => status.startsWith('2')));
      assert.equal(security?.length === 0, path === '/metrics' || path === '/api/health');
    }
  }
});

test('answers are what the document says', async () => {
  await using admin = await TestAdmin.open();
  const document = await documentOf(admin);
  await admin.plane.create('seen');
  await admin.plane.deploy('seen', 'one');
  admin.handlerLogs.of('seen')?.append({
    at: Date.now(),
    generation: 1,
    requestId: null,
    level: 'info',
    message: 'hello',
    fault: null,
    backtrace: null,
  });
  const calls: readonly [method: string, path: string, target: string, body?: unknown][] = [
    ['post', '/api/endpoints', '/endpoints', { name: 'a', id: 'a', path: '/a', dependencies: { regex: '1' } }],
    ['get', '/api/endpoints', '/endpoints'],
    ['get', '/api/endpoints/{id}', '/endpoints/seen'],
    ['put', '/api/endpoints/{id}', '/endpoints/seen', { threads: 1 }],
    ['put', '/api/endpoints/{id}/code', '/endpoints/seen/code', { code: 'two' }],
    ['get', '/api/endpoints/{id}/code', '/endpoints/seen/code'],
    ['post', '/api/endpoints/{id}/compile', '/endpoints/seen/compile'],
    ['post', '/api/endpoints/{id}/compile', '/endpoints/seen/compile?wait=false'],
    ['post', '/api/endpoints/{id}/deploy', '/endpoints/seen/deploy', {}],
    ['post', '/api/endpoints/{id}/rollback', '/endpoints/seen/rollback', { generation: 1 }],
    ['get', '/api/endpoints/{id}/generations', '/endpoints/seen/generations'],
    ['get', '/api/endpoints/{id}/logs', '/endpoints/seen/logs'],
    ['get', '/api/stats', '/stats'],
    ['get', '/api/health', '/health'],
    ['post', '/api/endpoints/{id}/undeploy', '/endpoints/seen/undeploy'],
    ['delete', '/api/endpoints/{id}', '/endpoints/seen'],
    ['get', '/api/endpoints/{id}', '/endpoints/seen'],
  ];
  for (const [method, path, target, body] of calls) {
    const { status, ...answer } = await admin.call(method.toUpperCase(), target, body);
    const responses = document.paths[path]?.[method]?.responses ?? {};
    const described = status < 400 ? responses[String(status)] : responses['default'];
    const schema = resolved(document, described?.content?.['application/json']?.schema) as z.core.JSONSchema.JSONSchema;
    const result = z.fromJSONSchema(schema).safeParse(answer);
    assert.ok(result.success, `${method} ${target} ${status}: ${result.error?.message} in ${JSON.stringify(answer)}`);
  }
});
