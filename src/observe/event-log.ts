import type { EventBus, TimedEvent } from './events.ts';
import type { Logger } from './log.ts';
import { roundedMs } from './milliseconds.ts';

/** Writes what happens in the control plane to the log, under the names the event stream uses. */
export function logEvents(events: EventBus, log: Logger): () => void {
  return events.subscribe(event => logEvent(event, log));
}

function logEvent(event: TimedEvent, log: Logger): void {
  switch (event.type) {
    case 'endpoint': {
      const { endpoint, change, state, generation } = event;
      const level = state === 'error' && change === 'state' ? 'error' : 'info';
      return log[level](
        { event: `endpoint_${change}`, endpoint, state, generation },
        `endpoint ${endpoint} is ${state}`,
      );
    }
    case 'build_finished': {
      const { id, digest, cached, durationMs } = event.build;
      const fields = { event: 'build_finished', endpoint: event.endpoint, build: id, digest, cached };
      return log.info({ ...fields, duration_ms: roundedMs(durationMs) }, `built ${event.endpoint}`);
    }
    case 'build_failed':
      return log.warn(
        { event: 'build_failed', endpoint: event.endpoint, code: event.code, duration_ms: roundedMs(event.durationMs) },
        `build of ${event.endpoint} failed`,
      );
    case 'swap':
      return logSwap(event, log);
    case 'swap_failed': {
      const { endpoint, generation, code, message } = event;
      return log.warn({ event: 'swap_failed', endpoint, generation, code }, message);
    }
    case 'fault': {
      const { endpoint, generation, requestId, fault, backtrace, message } = event;
      return log.error({ event: 'fault', endpoint, generation, request_id: requestId, fault, backtrace }, message);
    }
    case 'crash_loop': {
      const { endpoint, generation, crashes } = event;
      const fields = { event: 'crash_loop', endpoint, generation, crashes };
      return log.error(fields, `generation ${generation} of ${endpoint} crashed ${crashes} times in a row`);
    }
    case 'rollback': {
      const { endpoint, from, to, restored, reason, message } = event;
      return log.warn({ event: 'rollback', endpoint, from, to, restored, reason }, message);
    }
    case 'process':
      return logProcess(event, log);
    case 'failure':
      return log.error({ event: 'failure' }, event.message);
    case 'generation': {
      const { endpoint, generation, state, outcome } = event;
      const fields = { event: 'generation', endpoint, generation, state, outcome };
      return log[outcome === 'forced' ? 'warn' : 'debug'](
        fields,
        `generation ${generation} of ${endpoint} is ${state}`,
      );
    }
    case 'build_progress': {
      const { endpoint, phase, crate } = event;
      return log.debug({ event: 'build_progress', endpoint, phase, crate }, `${endpoint}: ${crate ?? phase}`);
    }
  }
}

function logProcess(event: Extract<TimedEvent, { type: 'process' }>, log: Logger): void {
  const { pid, state, reason } = event;
  const fields = { event: 'process', process: pid, state, reason };
  const why = reason === null ? '' : ` (${reason})`;
  log[state === 'ended' && reason !== null ? 'warn' : 'info'](fields, `gateway process ${pid}: ${state}${why}`);
}

function logSwap(event: Extract<TimedEvent, { type: 'swap' }>, log: Logger): void {
  const { endpoint, generation, cause, swapMs, loadMs } = event;
  const fields = { event: 'swap', endpoint, generation, cause, swap_ms: roundedMs(swapMs), load_ms: roundedMs(loadMs) };
  log.info(fields, `${endpoint} is served by generation ${generation}`);
}
