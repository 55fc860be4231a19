/**
 * Binary frames between the gateway and an image; the Rust side is `crates/rust-edge-gateway-abi/src/frame.rs`.
 * Little-endian throughout, no padding unless said.
 *
 * Request frame (entry point `handler_entry`):
 *
 *     0  f64  deadline, milliseconds of CLOCK_MONOTONIC
 *     8  u32  request: its number in the image, chosen by the gateway
 *    12  u32  body length
 *    16  u32  path length              20  u32  query length (without "?")
 *    24  u16  method length            26  u16  request id length
 *    28  u16  client address length    30  u16  number of headers
 *    32  u16  number of parameters     34  u16  reserved, 0
 *    36  u16  name length, u16 value length: one pair for each header, then one for each parameter
 *     …  method, path, query, request id, client address, headers (name, value …), parameters (name, value …)
 *     …  body
 *
 * Text that came off the wire (path, query, header values) is bytes as received; parameters are UTF-8.
 */

export const REQUEST_HEADER_BYTES = 36;

/** Everything of a request that a handler gets. Strings hold one byte per character (latin1), as Node gives them. */
export interface RequestParts {
  readonly method: string;
  /** As sent: percent-encoded, without query. */
  readonly path: string;
  readonly query: string;
  readonly requestId: string;
  readonly clientIp: string;
  /** name, value, name, value … */
  readonly rawHeaders: readonly string[];
  /** name, value, name, value …; UTF-8 as a latin1 string (see `utf8AsLatin1`). */
  readonly params: readonly string[];
  readonly body: Uint8Array | null;
}

/** Most bytes of a name or a value, most headers and most parameters. */
const U16_MAX = 0xffff;

/** What comes with a URL and headers of no more bytes than this fits into a frame in any case. */
export const FITTING_BYTES_MAX = U16_MAX;

export function fitsFrame({ rawHeaders, params }: Pick<RequestParts, 'rawHeaders' | 'params'>): boolean {
  const isShort = (text: string): boolean => text.length <= U16_MAX;
  return rawHeaders.length >> 1 <= U16_MAX && rawHeaders.every(isShort) && params.every(isShort);
}

const NON_ASCII = /[^\0-\x7f]/;

/** Text as the latin1 string whose bytes are the text's UTF-8. ASCII text, nearly all there is, comes back as it is. */
export function utf8AsLatin1(value: string): string {
  return NON_ASCII.test(value) ? Buffer.from(value, 'utf8').latin1Slice() : value;
}

/** Bytes that the frame of these parts takes. */
export function requestFrameBytes(parts: RequestParts): number {
  let size = REQUEST_HEADER_BYTES + 2 * (parts.rawHeaders.length + parts.params.length);
  size += parts.method.length + parts.path.length + parts.query.length + parts.requestId.length + parts.clientIp.length;
  for (const text of parts.rawHeaders) size += text.length;
  for (const text of parts.params) size += text.length;
  return size + (parts.body?.length ?? 0);
}

/**
 * Writes a request frame at `offset`; the caller has made sure that `requestFrameBytes(parts)` bytes fit.
 * One latin1Write of the concatenated strings costs a tenth of one write per string (0.4 µs against 4 µs a request).
 * Returns the frame's length.
 */
export function writeRequestFrame(
  target: Buffer,
  offset: number,
  parts: RequestParts,
  request: number,
  deadlineMs: number,
): number {
  const { method, path, query, requestId, clientIp, rawHeaders, params, body } = parts;
  const bodyLength = body?.length ?? 0;
  target.writeDoubleLE(deadlineMs, offset);
  target.writeUInt32LE(request, offset + 8);
  target.writeUInt32LE(bodyLength, offset + 12);
  target.writeUInt32LE(path.length, offset + 16);
  target.writeUInt32LE(query.length, offset + 20);
  target.writeUInt16LE(method.length, offset + 24);
  target.writeUInt16LE(requestId.length, offset + 26);
  target.writeUInt16LE(clientIp.length, offset + 28);
  target.writeUInt16LE(rawHeaders.length >> 1, offset + 30);
  target.writeUInt16LE(params.length >> 1, offset + 32);
  target.writeUInt16LE(0, offset + 34);
  let at = offset + REQUEST_HEADER_BYTES;
  let text = method + path + query + requestId + clientIp;
  for (const part of rawHeaders) {
    at = writeLength(target, at, part.length);
    text += part;
  }
  for (const part of params) {
    at = writeLength(target, at, part.length);
    text += part;
  }
  target.latin1Write(text, at);
  at += text.length;
  if (body !== null) target.set(body, at);
  return at + bodyLength - offset;
}

/** A u16, without the checks of Node's `writeUInt16LE` but the one that matters: there are two for each header. */
function writeLength(target: Buffer, at: number, length: number): number {
  if (length > U16_MAX) throw new RangeError(`A header or parameter of ${length} bytes does not fit into a frame.`);
  target[at] = length;
  target[at + 1] = length >> 8;
  return at + 2;
}

/**
 * Output records: what `handler_entry`, `handler_resume` and `handler_cancel` write, any number one after the other.
 * A request without a reply, panic or dropped record is suspended.
 *
 *     0  u32  length of the record    4  u8  kind    5  u8[3]  0    8  u32  request
 *
 *     reply             12 u16 status · 14 u16 0 · 16 u32 headers length · 20 u32 body length ·
 *                       24 headers: name NUL value NUL …, bytes · body
 *     panic             12 u32 message length · 16 message (UTF-8) · u64 offsets of frames up to the record's end
 *     operation         12 u32 operation · 16 u32 kind · 20 u32 payload length · 24 payload
 *     operation_cancel  12 u32 operation
 *     dropped           nothing more: the answer to handler_cancel
 */
export const RECORD = { reply: 1, panic: 2, operation: 3, operationCancel: 4, dropped: 5 } as const;

export const RECORD_HEADER_BYTES = 12;
export const REPLY_HEADER_BYTES = 24;

/** Bytes before the parts of varying length, by kind. */
export const RECORD_BYTES_MIN: readonly (number | undefined)[] = [undefined, REPLY_HEADER_BYTES, 16, 24, 16, 12];

/** Host operations a handler can ask for. sleep: payload is a u64 of nanoseconds; its result is empty. */
export const OPERATION = { sleep: 1 } as const;

/** Status of an operation's result: done, or not one the gateway knows. */
export const OPERATION_STATUS = { done: 0, unknown: -38 } as const;

/** Why `handler_cancel` drops a request. */
export const CANCEL_REASON = { timeout: 1, clientGone: 2, drainForced: 3 } as const;
export type CancelReason = keyof typeof CANCEL_REASON;

/** Input of `handler_cancel`: u32 request, u32 reason. */
export function writeCancelFrame(target: Buffer, request: number, reason: CancelReason): number {
  target.writeUInt32LE(request, 0);
  target.writeUInt32LE(CANCEL_REASON[reason], 4);
  return 8;
}

export const RESUME_HEADER_BYTES = 16;

/** Input of `handler_resume`: u32 request, u32 operation, i32 status, u32 payload length, payload. */
export function writeResumeFrame(
  target: Buffer,
  request: number,
  operation: number,
  status: number,
  payload: Uint8Array | null,
): number {
  target.writeUInt32LE(request, 0);
  target.writeUInt32LE(operation, 4);
  target.writeInt32LE(status, 8);
  target.writeUInt32LE(payload?.length ?? 0, 12);
  if (payload !== null) target.set(payload, RESUME_HEADER_BYTES);
  return RESUME_HEADER_BYTES + (payload?.length ?? 0);
}

/** A handler's reply, decoded. `headers` is name, value, name, value …, one byte per character. */
export interface Reply {
  readonly status: number;
  readonly headers: readonly string[];
  /** A copy: the bytes the record lay in are reused. */
  readonly body: Buffer;
}

/** Decodes the reply record at `offset`. `null`: its lengths or its header block make no sense. */
export function readReply(source: Buffer, offset: number): Reply | null {
  const length = source.readUInt32LE(offset);
  const headersLength = source.readUInt32LE(offset + 16);
  const bodyLength = source.readUInt32LE(offset + 20);
  if (length !== REPLY_HEADER_BYTES + headersLength + bodyLength || offset + length > source.length) return null;
  const headersEnd = offset + REPLY_HEADER_BYTES + headersLength;
  const headers = readHeaderBlock(source.latin1Slice(offset + REPLY_HEADER_BYTES, headersEnd));
  if (headers === null) return null;
  const body = Buffer.allocUnsafe(bodyLength);
  source.copy(body, 0, headersEnd, headersEnd + bodyLength);
  return { status: source.readUInt16LE(offset + 12), headers, body };
}

/** A power of two. */
const BLOCKS_KEPT = 64;
const BLOCK_KEPT_BYTES_MAX = 1_024;
const blocksRead: ({ readonly block: string; readonly headers: readonly string[] } | undefined)[] = [];

/**
 * Reads a header block, or knows it: of blocks with the same length the one that came last is kept.
 *
 * Reason: most replies of an endpoint have the same headers, and whoever gets the same array again has looked at it before.
 * Gain: with reply-headers.ts 0.5 µs of a small request (`npm run bench:dispatch`). Catch: nobody may change the array.
 */
function readHeaderBlock(block: string): readonly string[] | null {
  const place = block.length & (BLOCKS_KEPT - 1);
  const known = blocksRead[place];
  if (known?.block === block) return known.headers;
  const headers = parseHeaderBlock(block);
  if (headers !== null && block.length <= BLOCK_KEPT_BYTES_MAX) blocksRead[place] = { block, headers };
  return headers;
}

function parseHeaderBlock(block: string): readonly string[] | null {
  if (block === '') return [];
  const parts = block.split('\0');
  // Every name and every value ends in a NUL, so the split leaves an odd number of parts, the last one empty.
  if (parts.length % 2 === 0 || parts.pop() !== '') return null;
  return parts;
}
