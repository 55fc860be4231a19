/**
 * Shared memory between the main thread and the workers of one pool.
 *
 * Request ring, one per pool: the main thread writes, the workers claim by compare-and-swap.
 *
 *       TAIL │ HEAD │ worker 0: STATE CONTROL │ worker 1 …       words, each pair on a cache line of its own
 *     ┌──────┴──────┴─────────────────────────┴────────────┐
 *     │ order    256 words   position → slot, sequence     │   positions count up for ever; position & 255 is the index
 *     │ claims   256 words   slot → owner, sequence        │
 *     │ lengths  256 words   slot → bytes of its frame     │   TICKET: the frame is too large and has to be asked for
 *     │ annexed  256 words   slot → annex its frame is in  │   NOT_ANNEXED: it is in the slot
 *     │ slots    256 × 8 KiB                               │
 *     │ annexes   32 × 128 KiB                             │   for frames that are larger than a slot
 *     └────────────────────────────────────────────────────┘
 *
 * Slots and annexes come from free lists, last in, first out, so that few of them are ever touched; `order` keeps requests in turn.
 * Order and claim word carry the slot's sequence number, so a claim can never hit a later use of the slot:
 *
 *            post               claim by worker w             w reports on the request
 *     free ───────► waiting(0) ───────────────────► claimed(w + 1) ────────────────────► free
 *                       └──────► nobody(255): revoked, free at once
 */

/** Workers a request ring has words for; no pool has more threads (`POOL_THREADS_MAX` in config.ts). */
export const WORKERS_MAX = 64;
export const SLOTS = 256;
export const SLOT_BYTES = 8 * 1024;
/** A frame that is larger than a slot, but not than this, costs a copy like a small one; a ticket, two messages and a transfer more. */
export const ANNEXES = 32;
export const ANNEX_BYTES = 128 * 1024;
export const NOT_ANNEXED = -1;
/** Length word of a slot whose frame did not fit anywhere: only its deadline and request number are in the slot. */
export const TICKET = -1;

const CACHE_LINE_WORDS = 16;
const WORD_BYTES = 4;

/** Word indexes of the request ring. */
export const RING_WORD = { tail: 0, head: CACHE_LINE_WORDS, workers: 2 * CACHE_LINE_WORDS } as const;

const WORKER_WORD_COUNT = CACHE_LINE_WORDS;
/** Where the words of worker `index` are. `control` counts the messages posted to the worker. */
export const stateWord = (index: number): number => RING_WORD.workers + index * WORKER_WORD_COUNT;
export const controlWord = (index: number): number => stateWord(index) + 1;

const ORDER_WORD = RING_WORD.workers + WORKERS_MAX * WORKER_WORD_COUNT;
const CLAIMS_WORD = ORDER_WORD + SLOTS;
const LENGTHS_WORD = CLAIMS_WORD + SLOTS;
const ANNEXED_WORD = LENGTHS_WORD + SLOTS;
const SLOTS_BYTE = Math.ceil(((ANNEXED_WORD + SLOTS) * WORD_BYTES) / 4096) * 4096;
const ANNEXES_BYTE = SLOTS_BYTE + SLOTS * SLOT_BYTES;
export const REQUEST_RING_BYTES = ANNEXES_BYTE + ANNEXES * ANNEX_BYTES;

/** Bytes before the slots: all that has to be zero when a ring is opened. */
export const RING_CONTROL_BYTES = SLOTS_BYTE;

export const orderWord = (position: number): number => ORDER_WORD + (position & (SLOTS - 1));
export const claimWord = (slot: number): number => CLAIMS_WORD + slot;
export const lengthWord = (slot: number): number => LENGTHS_WORD + slot;
export const annexWord = (slot: number): number => ANNEXED_WORD + slot;
export const slotByte = (slot: number): number => SLOTS_BYTE + slot * SLOT_BYTES;
export const annexByte = (annex: number): number => ANNEXES_BYTE + annex * ANNEX_BYTES;

/** What a worker does, as the main thread needs to know to wake it. */
export const WORKER_STATE = {
  running: 0,
  /** Found nothing to do, and would take a request. */
  parked: 1,
  /** Takes no requests at the moment; only a control message wakes it. */
  closed: 2,
  /** Notified by the main thread, and not yet running. */
  woken: 3,
  /** Found nothing to do, and looks for a request: it needs no wake-up. */
  spinning: 4,
} as const;

/** Owners in a claim word; a worker's is its index + 1. */
export const OWNER = { waiting: 0, nobody: 255 } as const;

const LOW_BITS = 8;
const LOW_MASK = 0xff;
/** An order word (`low` is a slot) or a claim word (`low` is an owner). Sequence numbers have 24 bits and wrap. */
export const packWord = (sequence: number, low: number): number => (sequence << LOW_BITS) | low;
export const lowOf = (word: number): number => word & LOW_MASK;
/** The claim word that a waiting slot has, from its order word. */
export const waitingClaim = (order: number): number => order & ~LOW_MASK;

/**
 * Reply ring, one per worker: single producer (the worker), single consumer (the main thread). TAIL and HEAD count bytes
 * written and read, and wrap at 2^32. Records are those an image writes (see frame.ts) and the pool's own below, each on
 * an 8-byte boundary and in one piece: the room before the end is filled with a padding record when it is too short.
 *
 *     TAIL │ HEAD │ ███ record │ record │ padding ░░░░│
 */
export const REPLY_RING_DATA_BYTES = 512 * 1024;
/** A larger record does not go through the ring, where it would push out many small ones, but through the port. */
export const REPLY_RECORD_BYTES_MAX = 128 * 1024;
export const REPLY_WORD = { tail: 0, head: CACHE_LINE_WORDS } as const;
export const REPLY_DATA_BYTE = 2 * CACHE_LINE_WORDS * WORD_BYTES;
export const REPLY_RING_BYTES = REPLY_DATA_BYTE + REPLY_RING_DATA_BYTES;
export const RECORD_ALIGNMENT = 8;

/** Records of the pool's own, beside RECORD of frame.ts; header as there, `u32 length, u8 kind, u8[3] 0, u32 request`. */
export const POOL_RECORD = {
  /** Fills the ring up to its end. */
  padding: 0,
  /** The request was started, gave no reply yet and left its slot. */
  suspended: 16,
  /** The request is lost to a fault; 12 u32 index into LOST_CODES. */
  lost: 17,
  /** The worker cannot start a request it has claimed: it goes back to the queue. */
  returned: 18,
} as const;

export const LOST_CODES = ['handler_crashed', 'handler_memory_exceeded', 'handler_timeout'] as const;
export type LostCode = (typeof LOST_CODES)[number];
export const LOST_RECORD_BYTES = 16;

/** What all workers of a process share with its main thread, each word on a cache line of its own. */
export const DOORBELL_WORD = {
  /** One of DOORBELL. Whoever makes it `awake` has to notify. */
  bell: 0,
  /** 1: few requests are in flight (see spinning.ts); written by the main thread. */
  fewInFlight: CACHE_LINE_WORDS,
  /** Until when a worker has its turn at spinning, in microseconds of the monotonic clock, 32 bits; 0: none has. */
  spinningUntil: 2 * CACHE_LINE_WORDS,
} as const;
export const DOORBELL_BYTES = 3 * CACHE_LINE_WORDS * WORD_BYTES;
export const DOORBELL = { awake: 0, asleep: 1 } as const;
