import { OpenAPIHono } from '@hono/zod-openapi';
import type { Context, Env, MiddlewareHandler } from 'hono';
import { AdminError } from '../errors.ts';
import { answerErrors, refuseInvalid } from './answers.ts';
import { requireKey, sameSite } from './guards.ts';
import type { AdminParts } from './parts.ts';
import { limitBody, readJson } from './request-body.ts';
import { addBuildRoutes } from './routes/builds.ts';
import { addCodeRoutes } from './routes/code.ts';
import { addDeploymentRoutes } from './routes/deployments.ts';
import { addEndpointRoutes } from './routes/endpoints.ts';
import { addEventRoutes } from './routes/events.ts';
import { addLogRoutes } from './routes/logs.ts';
import { addStatusRoutes } from './routes/status.ts';

/** Paths that probes and scrapers reach without a key and under any name. */
const OPEN_PATHS = new Set(['/metrics', '/api/health']);

const POINTER = `Rust Edge Gateway, admin API.

Every call under /api/ but /api/health needs the header "Authorization: Bearer <key>";
the key is in DATA_DIR/admin.key unless it was set.

  GET /api/openapi.json   what there is to call
  GET /api/health         whether the gateway can serve
  GET /metrics            metrics for Prometheus
`;

/** The admin API: guards first, then the routes; every error is answered in one place. */
export function createAdminApp(parts: AdminParts): OpenAPIHono {
  const app = new OpenAPIHono({ defaultHook: refuseInvalid });
  app.onError(answerErrors(parts.log));
  addGuards(app, parts);
  app.get('/', c => c.text(POINTER));
  addEndpointRoutes(app, parts);
  addCodeRoutes(app, parts);
  addBuildRoutes(app, parts);
  addDeploymentRoutes(app, parts);
  addLogRoutes(app, parts);
  addEventRoutes(app, parts);
  addStatusRoutes(app, parts);
  addDocument(app, parts.version);
  app.notFound(c => refuseUnknown(app, c));
  return app;
}

function unlessOpen(guard: MiddlewareHandler): MiddlewareHandler {
  return async (c: Context<Env, string>, next) => (OPEN_PATHS.has(c.req.path) ? next() : guard(c, next));
}

function addGuards(app: OpenAPIHono, { key, allowedHosts }: AdminParts): void {
  app.use('*', unlessOpen(sameSite(allowedHosts)));
  app.use('/api/*', unlessOpen(requireKey(key)));
  app.use('/api/*', limitBody, readJson);
}

function addDocument(app: OpenAPIHono, version: string): void {
  app.openAPIRegistry.registerComponent('securitySchemes', 'key', { type: 'http', scheme: 'bearer' });
  app.doc31('/api/openapi.json', {
    openapi: '3.1.0',
    info: { title: 'Rust Edge Gateway', version, description: 'Write, deploy, watch and roll back HTTP endpoints.' },
    security: [{ key: [] }],
  });
}

/** Says whether it is the path that is unknown or only the method. */
function refuseUnknown(app: OpenAPIHono, c: Context): never {
  const known = app.openAPIRegistry.definitions.some(definition => {
    if (definition.type !== 'route') return false;
    const pattern = definition.route.path.replaceAll(/\{[^}]+\}/g, '[^/]+').replaceAll('.', '\\.');
    return new RegExp(`^${pattern}$`).test(c.req.path);
  });
  throw new AdminError(known ? 'method_not_allowed' : 'not_found');
}
