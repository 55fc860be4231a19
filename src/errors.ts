/**
 * Every error the gateway can answer with, in one table each for the public listener and the admin API.
 * Code, status and sentence live nowhere else; the sentences go to clients, so they hold nothing of a handler's inside.
 */

export interface ErrorEntry {
  readonly status: number;
  readonly sentence: string;
}

export interface PublicErrorEntry extends ErrorEntry {
  /**
   * Sent as `Retry-After`. Only where the request was never started and a moment may be all it takes: a queue, a budget,
   * a process that another one follows. Nobody knows when an endpoint that is not loaded will be.
   */
  readonly retryAfterSecs?: number;
  /** The endpoint was found and the request turned away before it started: counted in `requests_rejected_total`. */
  readonly isRejection?: true;
}

/** Errors of the public listener: `{"error": sentence, "code": code, "request_id": id}`. */
export const PUBLIC_ERRORS = {
  bad_request: { status: 400, sentence: 'The request is malformed: its path, query or a header cannot be read.' },
  route_not_found: { status: 404, sentence: 'No endpoint matches this host and path.' },
  method_not_allowed: { status: 405, sentence: 'This path does not answer to this method; see the Allow header.' },
  request_timeout: { status: 408, sentence: 'The request took too long to arrive.' },
  body_too_large: { status: 413, sentence: 'The request body is larger than this gateway accepts.' },
  headers_too_large: { status: 431, sentence: 'The request headers are larger than this gateway accepts.' },
  endpoint_not_loaded: {
    status: 503,
    sentence: 'The endpoint exists, but nothing of it is loaded at the moment.',
    isRejection: true,
  },
  queue_full: {
    status: 503,
    sentence: 'Too many requests are waiting; try again shortly.',
    retryAfterSecs: 1,
    isRejection: true,
  },
  bodies_full: {
    status: 503,
    sentence: 'Too many request bodies are held at the moment; try again shortly.',
    retryAfterSecs: 1,
    isRejection: true,
  },
  handler_panicked: { status: 500, sentence: 'The handler of this endpoint failed.' },
  handler_crashed: { status: 500, sentence: 'The handler of this endpoint crashed.' },
  handler_memory_exceeded: { status: 500, sentence: 'The handler of this endpoint ran out of memory.' },
  handler_invalid_response: { status: 500, sentence: 'The handler gave a response that HTTP does not allow.' },
  handler_timeout: { status: 504, sentence: 'The handler did not answer in time.' },
  handler_drain_forced: { status: 503, sentence: 'The request was still running when its handler was replaced.' },
  shutting_down: { status: 503, sentence: 'The gateway is shutting down.', retryAfterSecs: 1 },
  internal_error: { status: 500, sentence: 'The gateway failed to answer this request.' },
} as const satisfies Record<string, PublicErrorEntry>;

export type PublicErrorCode = keyof typeof PUBLIC_ERRORS;

/** Errors of the admin API: `{"ok": false, "error": {code, message, details?}}`; the message may say more than the sentence. */
export const ADMIN_ERRORS = {
  malformed_json: { status: 400, sentence: 'The request body is not valid JSON.' },
  validation_failed: { status: 400, sentence: 'The request does not have the form this call expects.' },
  unauthorized: { status: 401, sentence: 'Send the admin key as "Authorization: Bearer <key>".' },
  forbidden_host: { status: 403, sentence: 'This Host is not one the admin port answers to; see ADMIN_ALLOWED_HOSTS.' },
  forbidden_origin: { status: 403, sentence: 'This Origin may not call the admin API.' },
  not_found: { status: 404, sentence: 'There is nothing at this path.' },
  method_not_allowed: { status: 405, sentence: 'This path does not answer to this method.' },
  endpoint_not_found: { status: 404, sentence: 'There is no endpoint with this id.' },
  generation_not_found: {
    status: 404,
    sentence: 'The endpoint has no such generation, or its build is no longer kept.',
  },
  route_taken: { status: 409, sentence: 'Another endpoint already has this domain, path and method.' },
  id_taken: { status: 409, sentence: 'Another endpoint already has this id.' },
  not_compiled: { status: 409, sentence: 'The endpoint has no build to deploy; compile it first.' },
  no_code: { status: 409, sentence: 'The endpoint has no code to compile; save some first.' },
  no_earlier_generation: { status: 409, sentence: 'There is no earlier generation to go back to.' },
  endpoint_deleted: { status: 409, sentence: 'The endpoint was deleted while this call waited.' },
  body_too_large: { status: 413, sentence: 'The request body is larger than the admin API accepts.' },
  compile_failed: { status: 422, sentence: 'The code does not compile.' },
  compile_timeout: { status: 422, sentence: 'The build ran past its time limit and was stopped.' },
  library_refused: { status: 422, sentence: 'The compiled library is not one the gateway can contain.' },
  load_failed: { status: 422, sentence: 'The library cannot be loaded.' },
  storage_failed: { status: 507, sentence: 'The data directory cannot be written.' },
  toolchain_missing: { status: 503, sentence: 'Rust is not installed here; install it with rustup and try again.' },
  not_serving: { status: 503, sentence: 'No gateway process serves at the moment; a new one is being started.' },
  shutting_down: { status: 503, sentence: 'The gateway is shutting down.' },
  internal_error: { status: 500, sentence: 'The gateway failed to carry this call out; its log says why.' },
} as const satisfies Record<string, ErrorEntry>;

export type AdminErrorCode = keyof typeof ADMIN_ERRORS;

/** A failure of an admin call: thrown anywhere in the control plane, turned into an answer in one place. */
export class AdminError extends Error {
  override readonly name = 'AdminError';
  readonly code: AdminErrorCode;
  readonly details: unknown;

  /** `message` replaces the table's sentence; `details` is sent as it is; `cause` is only logged. */
  constructor(code: AdminErrorCode, message?: string, options: { details?: unknown; cause?: unknown } = {}) {
    super(message ?? ADMIN_ERRORS[code].sentence, { cause: options.cause });
    this.code = code;
    this.details = options.details;
  }

  get status(): number {
    return ADMIN_ERRORS[this.code].status;
  }
}

/** A fault that stops the program at start-up: one line for the operator, and the status to exit with. */
export class StartupError extends Error {
  override readonly name = 'StartupError';
  readonly exitStatus: number;

  constructor(message: string, exitStatus: number, options?: { cause?: unknown }) {
    super(message, options);
    this.exitStatus = exitStatus;
  }
}

/** sysexits(3) statuses this program ends with. */
export const EXIT_STATUS = { software: 70, osError: 71, cannotCreate: 73, temporaryFailure: 75, config: 78 } as const;
