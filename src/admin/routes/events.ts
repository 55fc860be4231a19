import { createRoute, type OpenAPIHono } from '@hono/zod-openapi';
import type { TimedEvent } from '../../observe/events.ts';
import { textAnswers } from '../answers.ts';
import { eventStream } from '../event-stream.ts';
import { buildJson } from '../json.ts';
import type { AdminParts } from '../parts.ts';

const follow = createRoute({
  method: 'get',
  path: '/api/events',
  summary: 'Follow every state change, build, swap, fault, crash loop and automatic rollback',
  responses: textAnswers(
    'text/event-stream',
    'Server-sent events; the data of each is JSON with its `type`, the time `at`, and the fields of that type. ' +
      '`crash_loop`: `endpoint`, `generation`, `crashes` in a row. `rollback` (one of the gateway itself): `endpoint`, ' +
      '`from` the generation in a crash loop, `to` the new one, `restored` the one whose build it serves, `reason`, `message`.',
  ),
});

const snakeCase = (name: string): string => name.replaceAll(/[A-Z]/g, letter => `_${letter.toLowerCase()}`);

function eventJson(event: TimedEvent): Record<string, unknown> {
  const { at, ...fields } = event;
  const entries = Object.entries(fields).map(([name, value]) => [snakeCase(name), value] as const);
  const build = event.type === 'build_finished' ? { build: buildJson(event.build) } : {};
  return { ...Object.fromEntries(entries), ...build, at: new Date(at).toISOString() };
}

export function addEventRoutes(app: OpenAPIHono, { events }: AdminParts): void {
  app.openapi(follow, c =>
    eventStream(c, send => events.subscribe(event => send({ event: event.type, data: eventJson(event) }))),
  );
}
