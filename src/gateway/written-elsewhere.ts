/**
 * What a route returns when its reply is written to Node's response, now or later, by somebody else.
 *
 * Reason: node-server's own mark for that, RESPONSE_ALREADY_SENT, is a `Response` whose headers it copies to find the mark
 * among them, a few microseconds for every request. Something that can be waited for and never resolves is left alone.
 * Gain: `npm run bench:dispatch`. Catch: what follows the handler, be it middleware or node-server, never runs.
 */
const never = { then: () => never, catch: () => never };
export const WRITTEN_ELSEWHERE = never as unknown as Response;
