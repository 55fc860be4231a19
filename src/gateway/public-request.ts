import { IncomingMessage, type IncomingHttpHeaders } from 'node:http';
import type { Exchange } from './exchange.ts';
import { readHeadersNeeded } from './headers-needed.ts';

/** Node's request with what the gateway knows of it; the HTTP server makes its requests of this class. */
export class PublicRequest extends IncomingMessage {
  /** Set when the request has been accepted. */
  exchange: Exchange | null = null;
  /** The client sends its body only after "100 Continue". */
  awaitsContinue = false;
  #headersNeeded: IncomingHttpHeaders | null = null;

  get headersNeeded(): IncomingHttpHeaders {
    this.#headersNeeded ??= readHeadersNeeded(this.rawHeaders);
    return this.#headersNeeded;
  }
}

// An accessor of Node's prototype, which TypeScript takes for a plain property.
Object.defineProperty(PublicRequest.prototype, 'headers', {
  get(this: PublicRequest): IncomingHttpHeaders {
    return this.headersNeeded;
  },
});
