import type { ServerOptions } from 'node:http';
import type { DataPlaneSettings } from '../../protocol/control.ts';

/** What one client may cost the public listener; times in milliseconds. */
export interface ClientLimits {
  readonly connectionsMax: number;
  readonly headerBytesMax: number;
  readonly headersTimeoutMs: number;
  readonly receiveTimeoutMs: number;
  readonly sendStallMs: number;
  readonly keepAliveMs: number;
}

/** A limit is looked after so many times while it lasts, so it is overrun by a quarter at most, or by CHECK_MS_MAX. */
const CHECKS_PER_LIMIT = 4;
const CHECK_MS_MAX = 2_000;

export function clientLimits(settings: DataPlaneSettings): ClientLimits {
  const receiveTimeoutMs = milliseconds(settings.receiveTimeoutSecs);
  return {
    connectionsMax: settings.connectionsMax,
    headerBytesMax: settings.headersKbMax * 1024,
    // Headers are a part of the request; Node refuses to start with more time for the part than for the whole.
    headersTimeoutMs: Math.min(milliseconds(settings.headersTimeoutSecs), receiveTimeoutMs),
    receiveTimeoutMs,
    sendStallMs: milliseconds(settings.sendStallSecs),
    keepAliveMs: milliseconds(settings.keepAliveSecs),
  };
}

/** How often connections are looked at, so that a limit of `limitMs` is kept. */
export function checkEveryMs(limitMs: number): number {
  return Math.max(1, Math.min(CHECK_MS_MAX, Math.floor(limitMs / CHECKS_PER_LIMIT)));
}

/** The limits that Node's HTTP server keeps by itself. */
export function serverOptions(limits: ClientLimits): ServerOptions {
  return {
    maxHeaderSize: limits.headerBytesMax,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.receiveTimeoutMs,
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: checkEveryMs(limits.headersTimeoutMs),
    // A request without a body is read when its headers are; Node need not play a stream to its end for it.
    optimizeEmptyRequests: true,
  };
}

const milliseconds = (seconds: number): number => Math.round(seconds * 1000);
