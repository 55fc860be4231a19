import type { DataPlaneSettings } from '../../src/protocol/control.ts';

/** Settings of a gateway process under test: small limits, nothing sleeps. */
export const TEST_SETTINGS: DataPlaneSettings = {
  threadsMax: 64,
  sleepAfterSecs: 0,
  drainTimeoutSecs: 5,
  handlerMaxMemoryMb: 64,
  maxBodyMb: 1,
  bodiesMaxMb: 2,
  inFlightMax: 1_000,
  trustedProxies: [],
  queueMax: 100,
  crashLoopFaults: 20,
  interruptsMax: 0,
  connectionsMax: 1_000,
  headersKbMax: 16,
  headersTimeoutSecs: 20,
  receiveTimeoutSecs: 300,
  sendStallSecs: 30,
  keepAliveSecs: 75,
  handlerLogLinesMax: 1_000,
  accessLog: false,
  imagesDir: '/nowhere',
};
