import { lookup } from 'node:dns/promises';
import { setTimeout as delay } from 'node:timers/promises';
import ipaddr from 'ipaddr.js';
import { LIMITS } from '../config.ts';
import { EXIT_STATUS, StartupError } from '../errors.ts';
import { closeSocket, openListeningSocket, SystemCallError, type BoundSocket, type NumericAddress } from './libc.ts';

const POLL_MS = 50;

function unbracketed(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
}

async function resolveHost(host: string): Promise<NumericAddress> {
  const { address } = await lookup(unbracketed(host));
  const parsed = ipaddr.parse(address);
  return { family: parsed.kind() === 'ipv4' ? 4 : 6, bytes: parsed.toByteArray() };
}

/** How a client on this machine reaches `host`: an address that stands for all of them is shown as the loopback one. */
function reachableHost(host: string): string {
  const bare = unbracketed(host);
  if (bare === '0.0.0.0') return '127.0.0.1';
  if (bare === '::') return '[::1]';
  return bare.includes(':') ? `[${bare}]` : bare;
}

/**
 * A listening TCP socket that this process never accepts on: it is handed to child processes by its descriptor, so
 * connections that wait in it outlive any and all of them.
 */
export class ListeningSocket {
  readonly fd: number;
  readonly url: string;
  #open = true;

  private constructor(host: string, bound: BoundSocket) {
    this.fd = bound.fd;
    this.url = `http://${reachableHost(host)}:${bound.port}`;
  }

  /**
   * Opens the socket; a taken port is retried for a while, since a predecessor's processes may still be closing theirs.
   * @throws StartupError that names the address
   */
  static async open(host: string, port: number, retryMs: number = LIMITS.portRetryMs): Promise<ListeningSocket> {
    const shown = `${host}:${port}`;
    const address = await resolveHost(host).catch((error: unknown) => {
      throw new StartupError(`The host name ${host} cannot be resolved.`, EXIT_STATUS.config, { cause: error });
    });
    const deadline = performance.now() + retryMs;
    for (;;) {
      try {
        return new ListeningSocket(host, openListeningSocket(address, port, LIMITS.listenBacklog));
      } catch (error) {
        if (!(error instanceof SystemCallError)) throw error;
        if (error.code !== 'EADDRINUSE' || performance.now() >= deadline) throw refusal(shown, error);
        await delay(POLL_MS);
      }
    }
  }

  close(): void {
    if (this.#open) closeSocket(this.fd);
    this.#open = false;
  }
}

const SENTENCES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'it is in use by another program',
  EACCES: 'this user may not use it',
  EADDRNOTAVAIL: 'this machine does not have it',
};

function refusal(shown: string, error: SystemCallError): StartupError {
  const reason = SENTENCES[error.code] ?? error.message;
  return new StartupError(`Cannot listen on ${shown}: ${reason}.`, EXIT_STATUS.osError, { cause: error });
}
