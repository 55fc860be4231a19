import type { RouteSpec } from '../../src/protocol/control.ts';
import type { Routing } from '../../src/gateway/router.ts';

/** Routing as the rules read, without a tree: look at every route, sort those that match, take the first for the method. */
export function routeNaively(
  routes: readonly RouteSpec[],
  host: string,
  method: string,
  path: string,
): Routing<RouteSpec> {
  if (!path.split('/').every(isText)) return { kind: 'malformed' };
  const ofHost = (domain: string): Routing<RouteSpec> => routeOn(routes, domain, method, path);
  const exact = ofHost(host);
  return exact.kind === 'not_found' ? ofHost('*') : exact;
}

/** Percent-encoded UTF-8 without a NUL. */
function isText(segment: string): boolean {
  try {
    return !decodeURIComponent(segment).includes('\0');
  } catch {
    return false;
  }
}

/** A rest that could be taken for a path outside its folder. */
const leaves = (rest: string): boolean =>
  rest.startsWith('/') || rest.split('/').some(segment => ['.', '..'].includes(segment));

interface Match {
  readonly route: RouteSpec;
  /** One digit per segment: 0 static, 1 parameter, 2 rest. Smaller is better. */
  readonly rank: string;
  readonly params: readonly string[];
}

function routeOn(routes: readonly RouteSpec[], domain: string, method: string, path: string): Routing<RouteSpec> {
  const matches = routes
    .filter(route => route.domain === domain)
    .map(route => match(route, path))
    .filter(found => found !== null)
    .sort((a, b) => (a.rank < b.rank ? -1 : a.rank > b.rank ? 1 : 0));
  const wanted = method === 'HEAD' ? ['HEAD', 'GET', 'ANY'] : [method, 'ANY'];
  for (const { rank } of matches) {
    for (const candidate of wanted) {
      const found = matches.find(match => match.rank === rank && match.route.method === candidate);
      if (found === undefined) continue;
      const rest = rank.endsWith('2') ? (found.params.at(-1) ?? '') : '';
      return leaves(rest) ? { kind: 'malformed' } : { kind: 'matched', target: found.route, params: found.params };
    }
  }
  if (matches.length === 0) return { kind: 'not_found' };
  const methods = new Set(matches.map(found => found.route.method));
  if (methods.has('GET')) methods.add('HEAD');
  return { kind: 'method_not_allowed', allow: [...methods].sort().join(', ') };
}

function match(route: RouteSpec, path: string): Match | null {
  const pattern = route.path.split('/').slice(1);
  const segments = path.split('/').slice(1);
  let rank = '';
  const params: string[] = [];
  for (const [index, part] of pattern.entries()) {
    const segment = segments[index];
    if (segment === undefined) return null;
    if (!part.startsWith('{')) {
      if (decodeURIComponent(part) !== decodeURIComponent(segment)) return null;
      rank += '0';
      continue;
    }
    if (segment === '') return null;
    const isRest = part.endsWith('...}');
    const value = isRest ? segments.slice(index).join('/') : segment;
    params.push(part.replace(/^\{|(\.\.\.)?\}$/g, ''), decodeURIComponent(value));
    rank += isRest ? '2' : '1';
    if (isRest) return { route, rank, params };
  }
  return pattern.length === segments.length ? { route, rank, params } : null;
}
