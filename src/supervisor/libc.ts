/** Calls of libc for what Node's own API cannot do: a listening socket without accepting on it, and memory to share with other processes. */
import { getSystemErrorName } from 'node:util';
import koffi from 'koffi';

const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const AF_INET = 2;
const AF_INET6 = 10;
const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
const F_SEAL_SEAL = 1;
const F_SEAL_SHRINK = 2;
const F_SEAL_GROW = 4;
/** Since Linux 5.1. */
const F_SEAL_FUTURE_WRITE = 16;
/** Size of `struct sockaddr_in6`, the larger of the two that are used. */
const ADDRESS_BYTES = 28;

/** A call of libc failed; `code` is the name of its errno, as in Node's own errors. */
export class SystemCallError extends Error {
  override readonly name = 'SystemCallError';
  readonly code: string;

  constructor(call: string, errno: number) {
    const code = getSystemErrorName(-errno);
    super(`${call}: ${code}`);
    this.code = code;
  }
}

interface Calls {
  socket(domain: number, type: number, protocol: number): number;
  setsockopt(fd: number, level: number, name: number, value: Uint8Array, length: number): number;
  bind(fd: number, address: Uint8Array, length: number): number;
  listen(fd: number, backlog: number): number;
  getsockname(fd: number, address: Uint8Array, length: Uint8Array): number;
  close(fd: number): number;
  memfd_create(name: string, flags: number): number;
  ftruncate(fd: number, length: number): number;
  fcntl(fd: number, command: number, argument: number): number;
}

function loadCalls(): Calls {
  const libc = koffi.load('libc.so.6');
  return {
    socket: libc.func('int socket(int domain, int type, int protocol)'),
    setsockopt: libc.func('int setsockopt(int fd, int level, int name, const uint8_t* value, uint32_t length)'),
    bind: libc.func('int bind(int fd, const uint8_t* address, uint32_t length)'),
    listen: libc.func('int listen(int fd, int backlog)'),
    getsockname: libc.func('int getsockname(int fd, _Out_ uint8_t* address, _Inout_ uint8_t* length)'),
    close: libc.func('int close(int fd)'),
    memfd_create: libc.func('int memfd_create(const char* name, uint32_t flags)'),
    ftruncate: libc.func('int ftruncate(int fd, int64_t length)'),
    fcntl: libc.func('int fcntl(int fd, int command, int argument)'),
  };
}

let loaded: Calls | undefined;
const calls = (): Calls => (loaded ??= loadCalls());

function checked(call: string, result: number): number {
  if (result < 0) throw new SystemCallError(call, koffi.errno());
  return result;
}

export interface NumericAddress {
  readonly family: 4 | 6;
  /** Network byte order, 4 or 16 bytes. */
  readonly bytes: readonly number[];
}

/** `struct sockaddr_in` or `sockaddr_in6`: family in host order, port and address in network order. */
function socketAddress(address: NumericAddress, port: number): Buffer {
  const struct = Buffer.alloc(address.family === 4 ? 16 : ADDRESS_BYTES);
  struct.writeUInt16LE(address.family === 4 ? AF_INET : AF_INET6, 0);
  struct.writeUInt16BE(port, 2);
  struct.set(address.bytes, address.family === 4 ? 4 : 8);
  return struct;
}

function boundPort(fd: number): number {
  const struct = Buffer.alloc(ADDRESS_BYTES);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(ADDRESS_BYTES);
  checked('getsockname', calls().getsockname(fd, struct, length));
  return struct.readUInt16BE(2);
}

export interface BoundSocket {
  readonly fd: number;
  /** The port really bound. */
  readonly port: number;
}

/**
 * A socket that listens, closed on exec: a child gets it by being given it.
 * @throws SystemCallError, with code `EADDRINUSE` when the port is taken.
 */
export function openListeningSocket(address: NumericAddress, port: number, backlog: number): BoundSocket {
  const domain = address.family === 4 ? AF_INET : AF_INET6;
  const fd = checked('socket', calls().socket(domain, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  try {
    const on = Buffer.alloc(4);
    on.writeInt32LE(1);
    checked('setsockopt', calls().setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, on, on.length));
    const struct = socketAddress(address, port);
    checked('bind', calls().bind(fd, struct, struct.length));
    checked('listen', calls().listen(fd, backlog));
    return { fd, port: boundPort(fd) };
  } catch (error) {
    calls().close(fd);
    throw error;
  }
}

export function closeSocket(fd: number): void {
  calls().close(fd);
}

/** Memory behind a descriptor, all zero; the name is for people. Closed on exec, as the socket. @throws SystemCallError */
export function openSharedMemory(name: string, bytes: number): number {
  const fd = checked('memfd_create', calls().memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  try {
    checked('ftruncate', calls().ftruncate(fd, bytes));
    return fd;
  } catch (error) {
    calls().close(fd);
    throw error;
  }
}

/**
 * From here on nobody can change the memory's size, nor write to it but through the mappings there are: who is given the
 * descriptor can only read. @throws SystemCallError
 */
export function sealSharedMemory(fd: number): void {
  const size = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW;
  if (calls().fcntl(fd, F_ADD_SEALS, size | F_SEAL_FUTURE_WRITE) === 0) return;
  checked('fcntl', calls().fcntl(fd, F_ADD_SEALS, size));
}
