import type { ProcessId } from '../lifecycle/data-plane.ts';
import type { Backtraces } from '../observe/backtrace/backtraces.ts';
import { faultText } from '../observe/backtrace/fault-text.ts';
import type { EventBus } from '../observe/events.ts';
import type { HandlerLogs } from '../observe/handler-log.ts';
import type { Logger } from '../observe/log.ts';
import type { AccessLogLine, GatewayEvent } from '../protocol/control.ts';

type EventOf<K extends GatewayEvent['kind']> = Extract<GatewayEvent, { readonly kind: K }>;

export interface GatewayEventSinks {
  readonly log: Logger;
  readonly handlerLogs: HandlerLogs;
  readonly events: EventBus;
  readonly backtraces: Pick<Backtraces, 'trace'>;
}

/** Brings what gateway processes tell about requests, handlers and themselves to the logs and the event stream. */
export function reportGatewayEvent(sinks: GatewayEventSinks, process: ProcessId, event: GatewayEvent): void {
  switch (event.kind) {
    case 'fault':
      return reportFault(sinks, event);
    case 'handler_log':
      return reportHandlerLog(sinks, event);
    case 'access_log':
      return event.lines.forEach(line => logAccess(sinks.log, line));
    case 'log':
      return sinks.log[event.level]({ event: 'gateway_process', process, ...event.fields }, event.message);
    case 'replace_me':
      return sinks.log.warn({ event: 'process_replaced', process, reason: event.reason }, event.message);
    case 'endpoint_failed': {
      const { endpoint, generation, code, message } = event;
      return sinks.log.error({ event: 'endpoint_failed', process, endpoint, generation, code }, message);
    }
    case 'binding':
    case 'bound':
    case 'gave_way':
    case 'retired':
      return undefined;
    case 'crash_loop':
      // The control plane tells what comes of it.
      return undefined;
  }
}

function reportFault({ events, handlerLogs, backtraces }: GatewayEventSinks, event: EventOf<'fault'>): void {
  const { endpoint, generation, requestId, fault } = event;
  const at = Date.now();
  const handlerLog = handlerLogs.of(endpoint);
  backtraces.trace(event, backtrace => {
    const message = faultText(fault, backtrace);
    events.publish({ type: 'fault', endpoint, generation, requestId, fault, backtrace, message });
    handlerLog?.append({ at, generation, requestId, level: 'error', message, fault, backtrace });
  });
}

function reportHandlerLog({ log, handlerLogs }: GatewayEventSinks, event: EventOf<'handler_log'>): void {
  const { endpoint, generation } = event;
  const handlerLog = handlerLogs.of(endpoint);
  for (const { at, requestId, level, message } of event.lines) {
    handlerLog?.append({ at, generation, requestId, level, message, fault: null, backtrace: null });
    log[level]({ event: 'handler_log', endpoint, generation, request_id: requestId }, message);
  }
}

function logAccess(log: Logger, line: AccessLogLine): void {
  const { at, requestId, endpoint, generation, clientIp, method, path, status, durationMs, bytes } = line;
  const times = { at: new Date(at).toISOString(), duration_ms: durationMs };
  const request = { request_id: requestId, client_ip: clientIp, method, path };
  log.info({ event: 'request', ...times, ...request, endpoint, generation, status, bytes });
}
