import { join } from 'node:path';
import type { Settings } from '../config.ts';
import type { EndpointDefaults } from '../lifecycle/endpoint-spec.ts';
import type { DataPlaneSettings } from '../protocol/control.ts';

/** The settings gateway processes get; the admin key and what only concerns the control plane stay here. */
export function dataPlaneSettings(settings: Settings): DataPlaneSettings {
  return {
    threadsMax: settings.threadsMax,
    sleepAfterSecs: settings.sleepAfterSecs,
    drainTimeoutSecs: settings.drainTimeoutSecs,
    handlerMaxMemoryMb: settings.handlerMaxMemoryMb,
    maxBodyMb: settings.maxBodyMb,
    bodiesMaxMb: settings.bodiesMaxMb,
    inFlightMax: settings.inFlightMax,
    trustedProxies: settings.trustedProxies,
    queueMax: settings.queueMax,
    crashLoopFaults: settings.crashLoopFaults,
    interruptsMax: settings.interruptsMax,
    connectionsMax: settings.connectionsMax,
    headersKbMax: settings.headersKbMax,
    headersTimeoutSecs: settings.headersTimeoutSecs,
    receiveTimeoutSecs: settings.receiveTimeoutSecs,
    sendStallSecs: settings.sendStallSecs,
    keepAliveSecs: settings.keepAliveSecs,
    handlerLogLinesMax: settings.handlerLogLinesMax,
    accessLog: settings.accessLog,
    imagesDir: join(settings.dataDir, 'images'),
  };
}

export const endpointDefaults = (settings: Settings): EndpointDefaults => ({
  timeoutMs: Math.round(settings.handlerTimeoutSecs * 1_000),
  drainTimeoutMs: Math.round(settings.drainTimeoutSecs * 1_000),
  threadsMax: settings.handlerThreads,
});
