/** The endpoints as a function from Request to Response: for the servers whose documentation shows such a function. */
import { burn, HELLO, pause, TEXT } from './answers.ts';

const ORDER = /^\/users\/([^/]+)\/orders\/([^/]+)$/;
const text = (body: string): Response => new Response(body, { headers: { 'content-type': TEXT } });

function answerOrder(url: URL): Response {
  const [, user, order] = ORDER.exec(url.pathname) ?? [];
  if (user === undefined || order === undefined) return new Response('Not found', { status: 404 });
  const { searchParams } = url;
  return Response.json({
    user: decodeURIComponent(user),
    order: decodeURIComponent(order),
    limit: searchParams.get('limit'),
    sort: searchParams.get('sort'),
  });
}

export async function answer(request: Request): Promise<Response> {
  const url = new URL(request.url);
  switch (url.pathname) {
    case '/hello':
      return text(HELLO);
    case '/echo':
      return Response.json(await request.json());
    case '/raw':
      return new Response(await request.arrayBuffer());
    case '/upload':
      return text(String((await request.arrayBuffer()).byteLength));
    case '/sleep':
      await pause(Number(url.searchParams.get('ms')));
      return text('slept');
    case '/burn':
      return text(burn());
    default:
      return answerOrder(url);
  }
}
