import { IncomingMessage } from 'node:http';
import type { Exchange } from './exchange.ts';

/** Node's request with what the gateway knows of it; the HTTP server makes its requests of this class. */
export class PublicRequest extends IncomingMessage {
  /** Set when the request has been accepted. */
  exchange: Exchange | null = null;
  /** The client sends its body only after "100 Continue". */
  awaitsContinue = false;
}
