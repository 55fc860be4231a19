import pino, { type Logger } from 'pino';
import pretty from 'pino-pretty';

export type { Logger } from 'pino';

/** Names whose values never reach the log, wherever they are in a line. */
const SECRETS = ['authorization', 'adminApiKey', 'admin_api_key', '*.authorization', '*.adminApiKey'];

const STDOUT = 1;

/**
 * The program's log: one JSON object a line on standard output, readable text when that is a terminal. Written
 * synchronously, so the last lines before an exit are there too.
 */
export function createLog(options: { level: string; terminal: boolean }): Logger {
  const destination = options.terminal
    ? pretty({ sync: true, destination: STDOUT, translateTime: 'SYS:HH:MM:ss.l' })
    : pino.destination({ dest: STDOUT, sync: true });
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
      redact: { paths: SECRETS, censor: '[secret]' },
    },
    destination,
  );
}
