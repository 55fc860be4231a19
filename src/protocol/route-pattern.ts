/**
 * Path patterns of endpoints, as users write them: `/users/{id}`, `/files/{path...}`.
 *
 * - A pattern begins with `/` and has at most PATTERN_LENGTH_MAX characters; every `/` begins a segment.
 * - A static segment is text, plain (`/café`) or percent-encoded (`/caf%C3%A9`), which is the same. It has no braces, no
 *   `?`, `#`, `\`, white space or control character, and is neither `.` nor `..`: clients resolve those before they send.
 * - `{name}` is a whole segment and matches one segment that is not empty.
 * - `{name...}` is the last segment and matches the rest of the path: at least one segment, the first of them not empty.
 * - Names are `[A-Za-z_][A-Za-z0-9_]*`, at most PARAMETER_NAME_LENGTH_MAX characters, each used once in a pattern.
 * - Only the last segment may be empty: `/users/` is another route than `/users`, and `/users//x` is refused.
 */

export const PATTERN_LENGTH_MAX = 1_024;
export const PARAMETER_NAME_LENGTH_MAX = 64;

export type PatternSegment =
  /** `text` is decoded. */
  | { readonly kind: 'static'; readonly text: string }
  | { readonly kind: 'parameter'; readonly name: string }
  | { readonly kind: 'rest'; readonly name: string };

export type PatternResult =
  | { readonly ok: true; readonly segments: readonly PatternSegment[] }
  /** `message` is a sentence for the author of the pattern. */
  | { readonly ok: false; readonly message: string };

const PARAMETER_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const FORBIDDEN_CHARACTER = /[\0-\x20\x7f?#\\]|\s/;

class PatternError extends Error {
  override readonly name = 'PatternError';
}

/** Reads a pattern, or says in one sentence why it is none. */
export function parsePattern(path: string): PatternResult {
  try {
    return { ok: true, segments: readSegments(path) };
  } catch (error) {
    if (error instanceof PatternError) return { ok: false, message: error.message };
    throw error;
  }
}

/**
 * The form in which two patterns are equal exactly when they are the same route: parameter names are erased and static
 * segments are decoded, then encoded in one way. @throws PatternError when `path` is no pattern.
 */
export function normalisePattern(path: string): string {
  return readSegments(path)
    .map(segment => {
      if (segment.kind === 'static') return `/${encodeURIComponent(segment.text)}`;
      return segment.kind === 'parameter' ? '/{}' : '/{...}';
    })
    .join('');
}

function readSegments(path: string): readonly PatternSegment[] {
  if (!path.startsWith('/')) throw new PatternError('A path begins with "/".');
  if (path.length > PATTERN_LENGTH_MAX) {
    throw new PatternError(`A path has at most ${PATTERN_LENGTH_MAX} characters; this one has ${path.length}.`);
  }
  const forbidden = FORBIDDEN_CHARACTER.exec(path);
  if (forbidden !== null) throw new PatternError(`A path has no ${JSON.stringify(forbidden[0])} in it.`);
  const texts = path.slice(1).split('/');
  const names = new Set<string>();
  return texts.map((text, index) => readSegment(text, index === texts.length - 1, names));
}

function readSegment(text: string, last: boolean, names: Set<string>): PatternSegment {
  if (text.startsWith('{') && text.endsWith('}')) return readParameter(text, last, names);
  if (text.includes('{') || text.includes('}')) {
    throw new PatternError(`"${text}": a parameter is a whole segment, written "{name}" or "{name...}".`);
  }
  if (text === '' && !last) throw new PatternError('Only the last segment of a path may be empty.');
  return { kind: 'static', text: readStatic(text) };
}

function readStatic(text: string): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(text);
  } catch {
    throw new PatternError(`"${text}" is not valid percent-encoded UTF-8.`);
  }
  if (!decoded.isWellFormed()) throw new PatternError(`"${text}" is not valid Unicode.`);
  if (decoded.includes('\0')) throw new PatternError(`"${text}" holds a NUL.`);
  if (decoded === '.' || decoded === '..') throw new PatternError('A path has no "." or ".." segments.');
  return decoded;
}

function readParameter(text: string, last: boolean, names: Set<string>): PatternSegment {
  const isRest = text.endsWith('...}');
  const name = text.slice(1, isRest ? -4 : -1);
  if (!PARAMETER_NAME.test(name) || name.length > PARAMETER_NAME_LENGTH_MAX) {
    throw new PatternError(
      `"${text}": a parameter's name is made of letters, digits and "_", does not begin with a digit and has at most ${PARAMETER_NAME_LENGTH_MAX} characters.`,
    );
  }
  if (names.has(name)) throw new PatternError(`The parameter "${name}" occurs twice.`);
  if (isRest && !last) throw new PatternError(`"${text}" matches the rest of the path, so nothing can follow it.`);
  names.add(name);
  return { kind: isRest ? 'rest' : 'parameter', name };
}
