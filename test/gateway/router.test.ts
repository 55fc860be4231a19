import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { RouteTable } from '../../src/gateway/router.ts';
import type { RouteSpec } from '../../src/protocol/control.ts';
import { routeNaively } from './naive-router.ts';

interface Route {
  readonly domain?: string;
  readonly method?: string;
  readonly path: string;
}

/** A table whose targets are "METHOD path" (and the host, when it has one). */
function table(...routes: readonly Route[]): RouteTable<string> {
  return new RouteTable(
    routes.map(({ domain = '*', method = 'GET', path }) => ({
      route: { domain, method, path },
      target: domain === '*' ? `${method} ${path}` : `${method} ${domain}${path}`,
    })),
  );
}

function route(routes: RouteTable<string>, method: string, path: string, host = 'host'): string {
  const routing = routes.route(host, method, path);
  if (routing.kind === 'matched') return [routing.target, ...routing.params].join(' ');
  return routing.kind === 'method_not_allowed' ? `405 ${routing.allow}` : routing.kind;
}

describe('a route', () => {
  test('with a parameter matches one segment and decodes it', () => {
    const routes = table({ path: '/users/{id}' });
    assert.equal(route(routes, 'GET', '/users/caf%C3%A9'), 'GET /users/{id} id café');
    assert.equal(route(routes, 'GET', '/users/a%2Fb'), 'GET /users/{id} id a/b');
    assert.equal(route(routes, 'GET', '/users/a/b'), 'not_found');
    assert.equal(route(routes, 'GET', '/users/'), 'not_found');
  });

  test('with a rest matches at least one segment', () => {
    const routes = table({ path: '/files/{path...}' });
    assert.equal(route(routes, 'GET', '/files/a'), 'GET /files/{path...} path a');
    assert.equal(route(routes, 'GET', '/files/a/b%20c/'), 'GET /files/{path...} path a/b c/');
    assert.equal(route(routes, 'GET', '/files/'), 'not_found');
    assert.equal(route(routes, 'GET', '/files'), 'not_found');
  });

  test('is case-sensitive, and a trailing slash counts', () => {
    const routes = table({ path: '/users' });
    assert.equal(route(routes, 'GET', '/users'), 'GET /users');
    assert.equal(route(routes, 'GET', '/users/'), 'not_found');
    assert.equal(route(routes, 'GET', '/Users'), 'not_found');
  });

  test('has static segments compared decoded', () => {
    assert.equal(route(table({ path: '/café' }), 'GET', '/caf%C3%A9'), 'GET /café');
    assert.equal(route(table({ path: '/caf%C3%A9' }), 'GET', '/caf%c3%a9'), 'GET /caf%C3%A9');
    assert.equal(route(table({ path: '/a%2Fb' }), 'GET', '/a/b'), 'not_found');
    assert.equal(route(table({ path: '/100%25' }), 'GET', '/100%'), 'malformed');
    assert.match(route(table({ path: '/100%25' }), 'GET', '/100%25'), /^GET/);
    assert.equal(route(table({ path: '/ab' }), 'GET', '/%61b'), 'GET /ab');
  });
});

describe('of several routes', () => {
  const paths = ['/a/{rest...}', '/a/{x}', '/a/b', '/{x}/b', '/{rest...}', '/{x}/{y}/c'];

  test('static wins over parameter and parameter over rest, whatever the order of creation', () => {
    for (const order of [paths, paths.toReversed()]) {
      const routes = table(...order.map(path => ({ path })));
      assert.equal(route(routes, 'GET', '/a/b'), 'GET /a/b');
      assert.equal(route(routes, 'GET', '/a/z'), 'GET /a/{x} x z');
      assert.equal(route(routes, 'GET', '/a/z/y'), 'GET /a/{rest...} rest z/y');
      assert.equal(route(routes, 'GET', '/q/b'), 'GET /{x}/b x q');
      assert.equal(route(routes, 'GET', '/q/w'), 'GET /{rest...} rest q/w');
    }
  });

  test('a better beginning that leads nowhere is left again', () => {
    const routes = table({ path: '/a/b/c' }, { path: '/{x}/b/d' });
    assert.equal(route(routes, 'GET', '/a/b/d'), 'GET /{x}/b/d x a');
  });

  test('one for the method wins over ANY', () => {
    const routes = table({ path: '/a', method: 'ANY' }, { path: '/a', method: 'POST' });
    assert.equal(route(routes, 'POST', '/a'), 'POST /a');
    assert.equal(route(routes, 'DELETE', '/a'), 'ANY /a');
  });

  test('parameter names are those of the route that is met', () => {
    const routes = table({ path: '/{id}' }, { path: '/{name}', method: 'POST' });
    assert.equal(route(routes, 'GET', '/7'), 'GET /{id} id 7');
    assert.equal(route(routes, 'POST', '/7'), 'POST /{name} name 7');
  });
});

describe('HEAD', () => {
  test('is answered by GET when there is no HEAD endpoint', () => {
    assert.equal(route(table({ path: '/a' }), 'HEAD', '/a'), 'GET /a');
    assert.equal(route(table({ path: '/a' }, { path: '/a', method: 'HEAD' }), 'HEAD', '/a'), 'HEAD /a');
    assert.equal(route(table({ path: '/a' }, { path: '/a', method: 'ANY' }), 'HEAD', '/a'), 'GET /a');
  });
});

describe('a host', () => {
  const routes = table(
    { domain: 'x.test', path: '/a' },
    { path: '/a' },
    { path: '/b' },
    { path: '/a', method: 'POST' },
  );

  test('that is named exactly wins over *', () => {
    assert.equal(route(routes, 'GET', '/a', 'x.test'), 'GET x.test/a');
    assert.equal(route(routes, 'GET', '/a', 'y.test'), 'GET /a');
  });

  test('falls back to * for a path it does not have, and only then', () => {
    assert.equal(route(routes, 'GET', '/b', 'x.test'), 'GET /b');
    assert.equal(route(routes, 'POST', '/a', 'x.test'), '405 GET, HEAD');
  });
});

describe('a path', () => {
  test('that matches with other methods is not allowed, with all methods it answers', () => {
    const routes = table({ path: '/a' }, { path: '/a', method: 'PUT' }, { path: '/{x}', method: 'DELETE' });
    assert.equal(route(routes, 'POST', '/a'), '405 DELETE, GET, HEAD, PUT');
    assert.equal(route(routes, 'DELETE', '/a'), 'DELETE /{x} x a');
  });

  test('with malformed percent-encoding, invalid UTF-8 or a NUL is malformed', () => {
    const routes = table({ path: '/{x}' });
    for (const path of ['/%', '/%4', '/%zz', '/%ff', '/%C3%28', '/%00', '/nowhere/%c3']) {
      assert.equal(route(routes, 'GET', path), 'malformed', path);
    }
  });

  test('whose rest would leave its folder is malformed', () => {
    const routes = table({ path: '/files/{path...}' });
    for (const rest of ['..', 'a/../b', '%2e%2e/x', 'a%2F..%2Fb', '.', 'a/./b', '%2Fetc/passwd']) {
      assert.equal(route(routes, 'GET', `/files/${rest}`), 'malformed', rest);
    }
    for (const rest of ['...', 'a..b', '..a', 'a//b']) {
      assert.equal(route(routes, 'GET', `/files/${rest}`), `GET /files/{path...} path ${rest}`);
    }
  });
});

describe('any table', () => {
  const text = fc.constantFrom('a', 'b', 'c', 'A', 'a%2Fb', '%61', '%C3%A9', 'é', '..a');
  const segment: fc.Arbitrary<string> = fc.oneof(
    { arbitrary: text, weight: 3 },
    { arbitrary: fc.constant('{}'), weight: 2 },
  );
  /** With a slash at its end, or a rest, or neither. */
  const pattern = fc
    .tuple(fc.array(segment, { minLength: 1, maxLength: 4 }), fc.constantFrom([], [], ['{...}'], ['']))
    .map(([segments, end]): string[] => [...segments, ...end])
    .map(segments => `/${segments.map((part, index) => part.replace('{', `{p${index}`)).join('/')}`);
  const route = fc.record({
    domain: fc.constantFrom('*', '*', 'x.test', 'y.test'),
    method: fc.constantFrom('GET', 'POST', 'HEAD', 'OPTIONS', 'ANY'),
    path: pattern,
  });
  const routes = fc.uniqueArray(route, {
    maxLength: 12,
    selector: ({ domain, method, path }) => [domain, method, ...path.split('/').map(decodeURIComponent)].join(' '),
  });
  /** What a client may send beside it: nothing between two slashes, steps out of a folder, and what is no text. */
  const sent = fc.oneof(
    { arbitrary: text.map(part => (part === 'é' ? '%c3%a9' : part)), weight: 12 },
    { arbitrary: fc.constantFrom('', '.', '..', '%2e%2e', 'a%2F..', '%2Fa'), weight: 3 },
    { arbitrary: fc.constantFrom('%', '%zz', '%ff', '%C3', '%00'), weight: 1 },
  );
  const request = fc.record({
    host: fc.constantFrom('x.test', 'y.test', 'z.test'),
    method: fc.constantFrom('GET', 'POST', 'HEAD', 'PUT', 'OPTIONS'),
    path: fc.array(sent, { minLength: 1, maxLength: 5 }).map(parts => `/${parts.join('/')}`),
  });
  const tableOf = (specs: readonly RouteSpec[]): RouteTable<RouteSpec> =>
    new RouteTable(specs.map(spec => ({ route: spec, target: spec })));

  test('routes any request as the naive model does', () => {
    fc.assert(
      fc.property(routes, request, (specs, { host, method, path }) => {
        assert.deepEqual(tableOf(specs).route(host, method, path), routeNaively(specs, host, method, path));
      }),
      { numRuns: 5_000 },
    );
  });

  test('routes the same whatever the order of creation', () => {
    const orders = routes.chain(specs =>
      fc.tuple(fc.constant(specs), fc.shuffledSubarray(specs, { minLength: specs.length })),
    );
    fc.assert(
      fc.property(orders, request, ([specs, shuffled], { host, method, path }) => {
        const [routing, other] = [specs, shuffled].map(order => tableOf(order).route(host, method, path));
        assert.deepEqual(routing, other);
      }),
      { numRuns: 1_000 },
    );
  });
});
