/** Reads the admin API's server-sent events: the data of each, as they come. */
import type { RunningGateway } from './gateway.ts';

export interface ServerEvent {
  readonly type: string;
  readonly [field: string]: unknown;
}

export interface EventStream extends AsyncDisposable {
  /** Everything that has come so far. */
  readonly events: readonly ServerEvent[];
}

/** Subscribes; resolves when the stream is open, so nothing that is done afterwards is missed. */
export async function followEvents(gateway: RunningGateway): Promise<EventStream> {
  const stop = new AbortController();
  const response = await fetch(`${gateway.adminUrl}/api/events`, {
    headers: { authorization: `Bearer ${gateway.key}` },
    signal: stop.signal,
  });
  const events: ServerEvent[] = [];
  const reading = read(response, events).catch(() => {});
  return {
    events,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await reading;
    },
  };
}

async function read(response: Response, events: ServerEvent[]): Promise<void> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    const messages = (text + decoder.decode(chunk, { stream: true })).split('\n\n');
    text = messages.pop() ?? '';
    for (const message of messages) {
      const data = /^data: (.*)$/m.exec(message)?.[1];
      if (data !== undefined) events.push(JSON.parse(data) as ServerEvent);
    }
  }
}
