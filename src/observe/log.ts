import pino, { type DestinationStream, type Logger } from 'pino';
import { prettyFactory } from 'pino-pretty';
import { LogOutlet } from './log-outlet.ts';
import { StandardOutput } from './standard-output.ts';

export type { Logger } from 'pino';

/** Names whose values never reach the log, wherever they are in a line. */
const SECRETS = ['authorization', 'adminApiKey', 'admin_api_key', '*.authorization', '*.adminApiKey'];

/**
 * The program's log: one JSON object a line on standard output, readable text when that is a terminal. Lines are there
 * before an exit, as far as somebody reads them; see `LogOutlet` for when nobody does.
 */
export function createLog(options: { level: string; terminal: boolean }): Logger {
  const outlet: LogOutlet = new LogOutlet(new StandardOutput(), lines => reportDropped(log, lines));
  const log = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
      redact: { paths: SECRETS, censor: '[secret]' },
    },
    options.terminal ? prettified(outlet) : outlet,
  );
  process.on('exit', () => outlet.flush());
  return log;
}

function prettified(outlet: LogOutlet): DestinationStream {
  const pretty = prettyFactory({ translateTime: 'SYS:HH:MM:ss.l' });
  return { write: line => outlet.write(pretty(line)) };
}

/** Whatever LOG_LEVEL is: what was dropped may have been of any level. */
function reportDropped(log: Logger, lines: number): void {
  const message = `${lines} log lines were dropped: nobody read them.`;
  log.child({}, { level: 'warn' }).warn({ event: 'log_lines_dropped', lines }, message);
}
