/** The endpoints on `node:http` alone, on a free port. Prints its address. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer, json } from 'node:stream/consumers';
import { burn, HELLO, manyPaths, pause, TEXT } from '../common/answers.ts';

const ORDER = /^\/users\/([^/]+)\/orders\/([^/]+)$/;

type Answer = (request: IncomingMessage, response: ServerResponse, query: URLSearchParams) => Promise<void> | void;

function send(response: ServerResponse, body: string | Buffer, type = TEXT): void {
  response.writeHead(200, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

const sendJson = (response: ServerResponse, value: unknown): void =>
  send(response, JSON.stringify(value), 'application/json');

const answers: Record<string, Answer> = {
  '/hello': (_request, response) => send(response, HELLO),
  '/echo': async (request, response) => sendJson(response, await json(request)),
  '/raw': async (request, response) => send(response, await buffer(request), 'application/octet-stream'),
  '/upload': async (request, response) => send(response, String((await buffer(request)).length)),
  '/burn': (_request, response) => send(response, burn()),
  '/sleep': async (_request, response, query) => {
    await pause(Number(query.get('ms')));
    send(response, 'slept');
  },
};
for (const path of manyPaths(Number(process.env['MANY'] ?? 0))) {
  answers[path] = (_request, response) => send(response, HELLO);
}

function answerOrder(path: string, query: URLSearchParams, response: ServerResponse): void {
  const [, user, order] = ORDER.exec(path) ?? [];
  if (user === undefined || order === undefined) response.writeHead(404).end();
  else
    sendJson(response, {
      user: decodeURIComponent(user),
      order: decodeURIComponent(order),
      limit: query.get('limit'),
      sort: query.get('sort'),
    });
}

const server = createServer((request, response) => {
  const [path = '', search] = (request.url ?? '').split('?');
  const query = new URLSearchParams(search);
  const answer = answers[path];
  if (answer === undefined) answerOrder(path, query, response);
  else void answer(request, response, query);
});
server.listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
