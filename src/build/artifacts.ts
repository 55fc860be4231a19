/**
 * Compiled libraries, each a file named by the SHA-256 of its content, so that none is ever overwritten; and beside each the
 * table of its symbols, for as long as it is kept.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createFolder, isMissing, writeAtomically } from './storage.ts';

/** What changes when a file's content does; so long as it is the same, a checked file is not read again. */
interface FileIdentity {
  readonly size: bigint;
  readonly inode: bigint;
  readonly modifiedNs: bigint;
  readonly changedNs: bigint;
}

/** Between a build's end and its record in the store lies one turn of the control plane; an artifact this young is spared. */
const HANDED_OUT_GRACE_MS = 60_000;

/** Hexadecimal digits of a SHA-256. */
const DIGEST_LENGTH = 64;

export class Artifacts {
  readonly #folder: string;
  readonly #now: () => number;
  readonly #checked = new Map<string, FileIdentity>();
  /** Artifacts given to the control plane that no collection has seen in use yet, with the time. */
  readonly #handedOut = new Map<string, number>();

  constructor(folder: string, now: () => number = performance.now.bind(performance)) {
    this.#folder = folder;
    this.#now = now;
  }

  /** Keeps a library and gives its digest. */
  async store(content: Uint8Array): Promise<string> {
    const digest = digestOf(content);
    this.handOut(digest);
    if ((await this.path(digest)) === null) {
      await createFolder(this.#folder, 0o700);
      await writeAtomically(this.#file(digest), content, 0o400);
    }
    return digest;
  }

  /** Notes that a record with this digest is on its way to the store, so that no collection takes the file before. */
  handOut(digest: string): void {
    this.#handedOut.set(digest, this.#now());
  }

  /** Path of an artifact; null when it is missing or its content is not what its name says. */
  async path(digest: string): Promise<string | null> {
    if (!/^[0-9a-f]{64}$/.test(digest)) return null;
    const file = this.#file(digest);
    try {
      const identity = await identityOf(file);
      if (isSame(identity, this.#checked.get(digest))) return file;
      if (digestOf(await readFile(file)) !== digest) return null;
      this.#checked.set(digest, identity);
      return file;
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  /** Keeps the symbols of an artifact; a later build of the same library may have moved its lines, and its symbols win. */
  async storeSymbols(digest: string, content: Uint8Array): Promise<void> {
    await createFolder(this.#folder, 0o700);
    await writeAtomically(this.#symbolsFile(digest), content, 0o400);
  }

  /** What was kept of an artifact's symbols; null when there are none. */
  async symbols(digest: string): Promise<Buffer | null> {
    try {
      return await readFile(this.#symbolsFile(digest));
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  /** Deletes every file that is neither in `kept` nor just handed out, remains of an interrupted write included. */
  async collectGarbage(kept: ReadonlySet<string>): Promise<void> {
    this.#forgetHandedOut(kept);
    for (const name of await this.#names()) {
      const digest = name.slice(0, DIGEST_LENGTH);
      const isWhole = name === `${digest}.so` || name === `${digest}.symbols`;
      if ((isWhole && kept.has(digest)) || this.#handedOut.has(digest)) continue;
      this.#checked.delete(digest);
      await rm(join(this.#folder, name), { force: true });
    }
  }

  #forgetHandedOut(kept: ReadonlySet<string>): void {
    for (const [digest, since] of this.#handedOut) {
      if (kept.has(digest) || this.#now() - since > HANDED_OUT_GRACE_MS) this.#handedOut.delete(digest);
    }
  }

  async #names(): Promise<readonly string[]> {
    try {
      return await readdir(this.#folder);
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  }

  #file(digest: string): string {
    return join(this.#folder, `${digest}.so`);
  }

  #symbolsFile(digest: string): string {
    return join(this.#folder, `${digest}.symbols`);
  }
}

const digestOf = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex');

async function identityOf(file: string): Promise<FileIdentity> {
  const { size, ino, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
  return { size, inode: ino, modifiedNs: mtimeNs, changedNs: ctimeNs };
}

function isSame(a: FileIdentity, b: FileIdentity | undefined): boolean {
  return (
    b !== undefined &&
    a.size === b.size &&
    a.inode === b.inode &&
    a.modifiedNs === b.modifiedNs &&
    a.changedNs === b.changedNs
  );
}
