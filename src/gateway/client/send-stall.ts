import type { Socket } from 'node:net';
import koffi from 'koffi';

/** Notices that a client takes nothing of what is sent to it. */
export class SendWatch {
  #takenBytes = 0;
  #movedAtMs: number | null = null;

  /**
   * For how long, in milliseconds, there have been unsent bytes of which the client took none; as exact as the calls are
   * frequent. `takenBytes` is what the client has taken since it connected, and only asked for when there are some.
   */
  stalledMs(nowMs: number, unsentBytes: number, takenBytes: () => number): number {
    if (unsentBytes === 0) {
      this.#movedAtMs = null;
      return 0;
    }
    const taken = takenBytes();
    if (this.#movedAtMs === null || taken !== this.#takenBytes) {
      this.#movedAtMs = nowMs;
      this.#takenBytes = taken;
    }
    return nowMs - this.#movedAtMs;
  }
}

const IPPROTO_TCP = 6;
const TCP_INFO = 11;
/** `tcpi_bytes_acked` in `struct tcp_info` of linux/tcp.h, and what of the structure has to be asked for to get it. */
const BYTES_ACKED_OFFSET = 120;
const TCP_INFO_BYTES = 128;

type GetSocketOption = (fd: number, level: number, name: number, value: Uint8Array, length: Uint8Array) => number;

let getSocketOption: GetSocketOption | undefined;

function loadGetSocketOption(): GetSocketOption {
  const prototype = 'int getsockopt(int fd, int level, int name, _Out_ uint8_t* value, _Inout_ uint8_t* length)';
  return koffi.load('libc.so.6').func(prototype) as GetSocketOption;
}

/**
 * Bytes the client's system has acknowledged since the connection began; 0 when the connection is gone.
 *
 * What Node knows will not do: it sees progress only when the kernel takes more, and that waits until a third of a send
 * buffer of up to 4 MiB is empty. A client on a slow line needs minutes for that, and would be taken for a dead one.
 */
export function acknowledgedBytes(socket: Socket): number {
  getSocketOption ??= loadGetSocketOption();
  const value = Buffer.alloc(TCP_INFO_BYTES);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(TCP_INFO_BYTES);
  const failed = getSocketOption(descriptorOf(socket), IPPROTO_TCP, TCP_INFO, value, length) !== 0;
  return failed ? 0 : Number(value.readBigUInt64LE(BYTES_ACKED_OFFSET));
}

/** Node has no public way to a socket's descriptor; -1: it is closed. */
function descriptorOf(socket: Socket): number {
  const { _handle: handle } = socket as unknown as { readonly _handle: { readonly fd: number } | null };
  return handle?.fd ?? -1;
}
