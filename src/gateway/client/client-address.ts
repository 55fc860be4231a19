import ipaddr from 'ipaddr.js';
import type { IncomingHttpHeaders } from 'node:http';
import { hostName } from '../request-target.ts';

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Range = [Address, number];

/** What proxies in front of the gateway may tell about a request. */
export class TrustedProxies {
  readonly #ranges: readonly Range[];

  /** `trusted`: addresses and CIDR ranges, already validated. */
  constructor(trusted: readonly string[]) {
    this.#ranges = trusted.map(readRange);
  }

  /**
   * The address of the client: the socket's peer, or, when that is a trusted proxy, the last entry of X-Forwarded-For
   * that is not one. An entry that is no address ends the search: what stands left of it is nobody's word.
   */
  clientAddress(peer: string | undefined, headers: IncomingHttpHeaders): string {
    const address = plainAddress(peer ?? '');
    if (this.#ranges.length === 0 || !this.#trusts(address)) return address;
    const forwarded = headerText(headers['x-forwarded-for']).split(',');
    let client = address;
    for (const entry of forwarded.toReversed()) {
      const hop = forwardedAddress(entry.trim());
      if (hop === null) break;
      client = hop;
      if (!this.#trusts(hop)) break;
    }
    return client;
  }

  /** The Host a trusted proxy was asked for (the last one named: the one our own proxy wrote); null: none said so. */
  forwardedHost(peer: string | undefined, headers: IncomingHttpHeaders): string | null {
    if (this.#ranges.length === 0) return null;
    const last = headerText(headers['x-forwarded-host']).split(',').at(-1)?.trim() ?? '';
    return last !== '' && this.#trusts(plainAddress(peer ?? '')) ? hostName(last) : null;
  }

  #trusts(address: string): boolean {
    if (!ipaddr.isValid(address)) return false;
    const parsed = ipaddr.process(address);
    return this.#ranges.some(range => range[0].kind() === parsed.kind() && parsed.match(range));
  }
}

function readRange(text: string): Range {
  if (ipaddr.isValidCIDR(text)) return ipaddr.parseCIDR(text);
  const address = ipaddr.process(text);
  return [address, address.kind() === 'ipv4' ? 32 : 128];
}

const IPV4_MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/** IPv4 addresses that came over an IPv6 socket, as plain IPv4. */
function plainAddress(address: string): string {
  return address.startsWith('::') ? (IPV4_MAPPED.exec(address)?.[1] ?? address) : address;
}

/** Some proxies add a port: "192.0.2.1:4711", "[2001:db8::1]:4711". */
function forwardedAddress(entry: string): string | null {
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(entry)?.[1] ?? /^([\d.]+):\d+$/.exec(entry)?.[1] ?? entry;
  return ipaddr.isValid(bare) ? plainAddress(bare) : null;
}

const headerText = (value: string | string[] | undefined): string =>
  typeof value === 'string' ? value : (value?.join(',') ?? '');
