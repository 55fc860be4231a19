/** Reads what cargo prints with `--message-format json`, one object a line. */
import { z } from 'zod';
import type { Diagnostic } from '../store/records.ts';

interface Span {
  readonly file_name: string;
  readonly line_start: number;
  readonly column_start: number;
  readonly is_primary: boolean;
  /** The macro call this code came from. */
  readonly expansion: { readonly span: Span } | null;
}

const spanSchema: z.ZodType<Span> = z.lazy(() =>
  z.object({
    file_name: z.string(),
    line_start: z.number(),
    column_start: z.number(),
    is_primary: z.boolean(),
    expansion: z.object({ span: spanSchema }).nullable(),
  }),
);
const targetSchema = z.object({ name: z.string(), kind: z.array(z.string()) });
const lineSchema = z.discriminatedUnion('reason', [
  z.object({
    reason: z.literal('compiler-artifact'),
    target: targetSchema,
    filenames: z.array(z.string()),
    executable: z.string().nullish(),
    /** It was compiled before. */
    fresh: z.boolean(),
  }),
  z.object({
    reason: z.literal('compiler-message'),
    target: targetSchema,
    message: z.object({
      level: z.string(),
      message: z.string(),
      rendered: z.string().nullable(),
      spans: z.array(spanSchema),
    }),
  }),
]);
type CompilerMessage = Extract<z.infer<typeof lineSchema>, { reason: 'compiler-message' }>['message'];

/** A crate with a thousand errors is not understood better by the last nine hundred. */
const MESSAGES_MAX = 200;
const RENDERED_LENGTH_MAX = 64 * 1024;

/** rustc's closing remarks: they say how many messages there were. */
const SUMMARY = /^(aborting due to |\d+ warnings? emitted|For more information about )/;

const SAVED_SOURCE = 'src/lib.rs';

interface Message {
  readonly own: boolean;
  readonly isError: boolean;
  readonly rendered: string;
  readonly diagnostic: Diagnostic;
}

export interface CargoOutputOptions {
  /** Name of the library or program that is built; messages about other crates are about dependencies. */
  readonly target: string;
  /** A crate has just been compiled. */
  onCrate(name: string): void;
}

export class CargoOutput {
  readonly #options: CargoOutputOptions;
  readonly #messages: Message[] = [];
  #productPath: string | null = null;
  #productIsFresh = false;
  #started = false;

  constructor(options: CargoOutputOptions) {
    this.#options = options;
  }

  /** Cargo had chosen and fetched all crates and had begun to compile. */
  get started(): boolean {
    return this.#started;
  }

  /** Where the built library or program is; null until it is built. */
  get productPath(): string | null {
    return this.#productPath;
  }

  /** Cargo did not compile it: it took what it had. */
  get productIsFresh(): boolean {
    return this.#productIsFresh;
  }

  /** Warnings about the saved source. */
  get warnings(): readonly Diagnostic[] {
    return this.#messages.filter(one => one.own && !one.isError).map(one => one.diagnostic);
  }

  /** The library's own messages; those of a dependency only when it is the one that does not compile. */
  get failure(): { readonly diagnostics: readonly Diagnostic[]; readonly rendered: string } {
    const failing = this.#messages.some(one => one.own && one.isError);
    const about = this.#messages.filter(one => one.own === failing && (failing || one.isError));
    const errors = about.filter(one => one.isError).map(one => one.rendered.trimEnd());
    return {
      diagnostics: about.map(one => one.diagnostic),
      rendered: errors.join('\n\n').slice(0, RENDERED_LENGTH_MAX),
    };
  }

  readLine(line: string): void {
    const parsed = lineSchema.safeParse(parseJson(line));
    if (!parsed.success) return;
    this.#started = true;
    const { data } = parsed;
    const isBuildScript = data.target.kind.includes('custom-build');
    const own = data.target.name === this.#options.target && !isBuildScript;
    if (data.reason === 'compiler-message') return this.#readMessage(data.message, own);
    if (own) this.#productIsFresh = data.fresh;
    if (own) this.#productPath = data.filenames.find(name => name.endsWith('.so')) ?? data.executable ?? null;
    if (!data.fresh && !isBuildScript) this.#options.onCrate(data.target.name);
  }

  #readMessage(message: CompilerMessage, own: boolean): void {
    if (this.#messages.length >= MESSAGES_MAX || SUMMARY.test(message.message)) return;
    const place = own ? placeInSource(message.spans) : null;
    this.#messages.push({
      own,
      isError: message.level.startsWith('error'),
      rendered: message.rendered ?? message.message,
      diagnostic: {
        level: message.level,
        message: message.message,
        file: place === null ? null : SAVED_SOURCE,
        line: place?.line_start ?? null,
        column: place?.column_start ?? null,
      },
    });
  }
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}

/** Where in the saved source a message points; code made by a macro is followed to the call. */
function placeInSource(spans: readonly Span[]): Span | null {
  const primary = spans.filter(span => span.is_primary);
  for (const candidate of [...primary, ...spans]) {
    let span: Span | undefined = candidate;
    while (span !== undefined && span.file_name !== SAVED_SOURCE) span = span.expansion?.span;
    if (span !== undefined) return span;
  }
  return null;
}
