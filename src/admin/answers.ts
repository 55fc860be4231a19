/** The form of every answer, and the one place where errors become answers. */
import { z } from '@hono/zod-openapi';
import type { Context, ErrorHandler } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { ADMIN_ERRORS, AdminError, type AdminErrorCode } from '../errors.ts';
import type { Logger } from '../observe/log.ts';

export const ok = <T>(data: T): { ok: true; data: T } => ({ ok: true, data });

const FailureSchema = z
  .object({
    ok: z.literal(false),
    error: z.object({
      code: z.enum(Object.keys(ADMIN_ERRORS) as [AdminErrorCode, ...AdminErrorCode[]]),
      message: z.string(),
      details: z.unknown().optional(),
    }),
  })
  .openapi('Failure');

type Envelope<Data> = z.ZodObject<{ ok: z.ZodLiteral<true>; data: Data & z.ZodType }>;
type Answers<Status extends number, Schema> = {
  readonly [S in Status]: { description: string; content: { 'application/json': { schema: Schema } } };
} & typeof FAILURE;

/** The answers of a call: what it gives in the envelope, and the failure any call may give. */
export const answers = <Status extends number, Data extends z.ZodType>(
  status: Status,
  about: string,
  data: Data,
): Answers<Status, Envelope<Data>> => envelope(status, about, z.object({ ok: z.literal(true), data }));

/** As `answers`, for an envelope that holds more than `ok` and `data`. */
export function envelope<Status extends number, Schema extends z.ZodType>(
  status: Status,
  about: string,
  schema: Schema,
): Answers<Status, Schema> {
  const success = { description: about, content: { 'application/json': { schema } } };
  return { [status]: success, ...FAILURE } as Answers<Status, Schema>;
}

/** For answers that are no JSON envelope: streams and metrics. */
export function textAnswers(contentType: string, about: string) {
  return { 200: { description: about, content: { [contentType]: { schema: z.string() } } }, ...FAILURE };
}

const FAILURE = {
  default: {
    description: 'The call was refused or failed.',
    content: { 'application/json': { schema: FailureSchema } },
  },
} as const;

function failure(c: Context, error: AdminError): Response {
  const { code, message, details } = error;
  if (code === 'unauthorized') c.header('WWW-Authenticate', 'Bearer');
  const body = { ok: false, error: details === undefined ? { code, message } : { code, message, details } };
  return c.json(body, error.status as ContentfulStatusCode);
}

function asAdminError(error: unknown): AdminError {
  if (error instanceof AdminError) return error;
  if (error instanceof HTTPException && error.status < 500) {
    return new AdminError('malformed_json', error.message, { cause: error });
  }
  return new AdminError('internal_error', undefined, { cause: error });
}

/** Every error of an admin call ends here; those of the machine are logged with their cause. */
export function answerErrors(log: Logger): ErrorHandler {
  return (error, c) => {
    const known = asAdminError(error);
    if (known.status >= 500) {
      const fields = { event: 'admin_call_failed', method: c.req.method, path: c.req.path, code: known.code };
      log.error({ ...fields, err: known.cause ?? known }, known.message);
    }
    return failure(c, known);
  };
}

/** One field's mistake, in words that name the field. */
function issueText(issue: z.core.$ZodIssue): string {
  const field = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    const where = field === '' ? '' : ` in "${field}"`;
    return `unknown field ${issue.keys.map(key => JSON.stringify(key)).join(', ')}${where}`;
  }
  return field === '' ? issue.message : `${field}: ${issue.message}`;
}

export function refuseInvalid(result: { success: boolean; error?: z.core.$ZodError }): void {
  if (result.success || result.error === undefined) return;
  const { issues } = result.error;
  const details = issues.map(issue => ({ field: issue.path.map(String).join('.'), message: issueText(issue) }));
  throw new AdminError('validation_failed', `${issues.map(issueText).join('; ')}.`, { details });
}
