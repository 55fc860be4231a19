import { monotonicNowMs } from '../src/protocol/clock.ts';
import type { BindFailure } from '../src/protocol/control.ts';
import { isCrash, UNBIND, type FaultKind } from '../src/protocol/guard.ts';
import type { ImageSpec } from '../src/protocol/worker.ts';
import type { ThreadGuard } from './guard.ts';
import type { ImageRequest } from './image-request.ts';
import { bindImage, type Image } from './image.ts';
import { RecyclePause } from './recycle-pause.ts';

/** Tainted images that a worker lets finish their suspended requests; with so many, it takes no requests. */
const OLD_IMAGES_MAX = 4;
/** Time for the thread-local destructors of an image that ends cleanly. */
const UNBIND_CLEAN_MS = 1_000;

export interface ImagesListener {
  recycled(reason: string): void;
  /** An image may have written log lines while it ended, for no request. */
  ended(): void;
  stillMapped(): void;
  destructorFaulted(suspect: boolean): void;
}

/** The images of one worker: the one that takes requests, and those that panicked and only finish what they have. */
export class Images {
  readonly #guard: ThreadGuard;
  readonly #spec: ImageSpec;
  readonly #listener: ImagesListener;
  readonly #old = new Set<Image>();
  readonly #pause: RecyclePause;
  #isAhead: boolean;
  #current: Image | null = null;
  /** Why there is no current image. */
  #lostTo: string | null = null;

  constructor(guard: ThreadGuard, spec: ImageSpec, listener: ImagesListener) {
    this.#guard = guard;
    this.#spec = spec;
    this.#listener = listener;
    this.#isAhead = spec.ahead;
    this.#pause = new RecyclePause(!spec.pausesRecycles);
  }

  /** The image that takes requests; null: it was tainted or crashed, and `ensure` has not bound another. */
  get current(): Image | null {
    return this.#current;
  }

  get hasSuspended(): boolean {
    return this.#old.size > 0 || (this.#current !== null && this.#current.suspended.size > 0);
  }

  /** Milliseconds until `ensure` binds a fresh image, for it waits after several crashes; Infinity: it has none to bind. */
  get msUntilBind(): number {
    if (this.#current !== null || this.#old.size >= OLD_IMAGES_MAX) return Infinity;
    return this.#pause.leftMs(monotonicNowMs());
  }

  /** All of them, those that only finish what they have included. */
  *all(): Generator<Image> {
    if (this.#current !== null) yield this.#current;
    yield* this.#old;
  }

  *suspended(): Generator<ImageRequest> {
    for (const image of this.all()) yield* image.suspended.values();
  }

  /** The image in which the request is suspended. */
  holding(request: number): Image | null {
    for (const image of this.all()) if (image.suspended.has(request)) return image;
    return null;
  }

  /** Makes sure that there is a current image, unless too many tainted ones still have requests or it is too soon. */
  ensure(): BindFailure | null {
    if (this.msUntilBind > 0) return null;
    const bound = bindImage(this.#guard, this.#spec, this.#isAhead);
    if (!('unbind' in bound)) return bound;
    this.#current = bound;
    if (this.#lostTo !== null) this.#listener.recycled(this.#lostTo);
    return null;
  }

  deployed(): void {
    this.#isAhead = false;
    for (const image of this.all()) image.deployed();
  }

  /** A request was answered by its handler, so the images do not crash one after the other. */
  answered(): void {
    this.#pause.answered();
  }

  /** From now on `ensure` waits for nothing. */
  endPauses(): void {
    this.#pause.turnOff();
  }

  /** After a panic the image is sound, but takes no further request; it ends with its last suspended one. */
  taint(image: Image, reason: string): void {
    if (image !== this.#current) return;
    this.#lose(reason);
    this.#old.add(image);
  }

  /** Ends a tainted image that has nothing suspended any more. */
  endIfFinished(image: Image): void {
    if (image === this.#current || image.suspended.size > 0) return;
    if (this.#old.delete(image)) this.#unbind(image, UNBIND_CLEAN_MS);
  }

  /** After a fault: the image goes at once, without running any of its code. */
  throwAway(image: Image, reason: FaultKind): void {
    if (isCrash(reason)) this.#pause.crashed(monotonicNowMs());
    for (const request of image.suspended.values()) request.end();
    image.suspended.clear();
    if (image === this.#current) this.#lose(reason);
    this.#old.delete(image);
    this.#unbind(image, 0);
  }

  /** Unbinds everything. `clean` false: without running any of the images' code. */
  close(clean: boolean): void {
    for (const image of this.all()) {
      for (const request of image.suspended.values()) request.end();
      this.#unbind(image, clean ? UNBIND_CLEAN_MS : 0);
    }
    this.#current = null;
    this.#old.clear();
  }

  #lose(reason: string): void {
    this.#current = null;
    this.#lostTo = reason;
  }

  #unbind(image: Image, cleanMs: number): void {
    const result = image.unbind(cleanMs);
    if (cleanMs > 0) this.#listener.ended();
    if ((result & UNBIND.destructorFaulted) !== 0) this.#listener.destructorFaulted((result & UNBIND.suspect) !== 0);
    if ((result & UNBIND.stillMapped) !== 0) this.#listener.stillMapped();
  }
}
