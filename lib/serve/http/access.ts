/** Who may ask: tokens, a hook of the user's, and what a browser must not be made to send. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { ServeError } from '../errors.js';
import type { Incoming } from './exchange.js';

export interface AccessOptions {
  /** Clients must send `Authorization: Bearer …` with this token, or one of these. */
  token?: string | readonly string[];
  /** Decides about a request by its method, path and headers; false is a 401. It may throw a ServeError. */
  authenticate?: (request: Pick<Incoming, 'method' | 'url' | 'header'>) => boolean | Promise<boolean>;
  /** Web pages that may call this server from a browser, such as 'https://example.org'. */
  allowedOrigins?: readonly string[];
  /** Names by which clients may call a server on the loopback interface, beside its own; '*' for any. */
  allowedHosts?: readonly string[];
}

/** Kubernetes asks for health without a token; the status page is the same for all, and asks for the token itself. */
const OPEN = /^\/(v2\/health\/(live|ready)\/?)?$/;
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/i;

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** The check that each request passes before anything else; a ServeError where it doesn't. */
export function accessCheck(
  options: AccessOptions,
  loopbackOnly: boolean,
): (incoming: Pick<Incoming, 'method' | 'url' | 'header'>, path: string) => Promise<void> {
  const tokens = options.token === undefined ? [] : [options.token].flat().map(digest);
  const origins = new Set(options.allowedOrigins ?? []);
  const hosts = new Set((options.allowedHosts ?? []).map((host) => host.toLowerCase()));
  return async (incoming, path) => {
    const host = incoming.header('host') ?? '';
    const name = host.replace(/:\d+$/, '').toLowerCase();
    // A web page whose name is made to point to this machine would be asked for as that name.
    if (loopbackOnly && !LOOPBACK.test(name) && !hosts.has(name) && !hosts.has('*'))
      throw new ServeError(403, `host '${name.slice(0, 100)}' is not allowed; allowedHosts lists those that are`);
    const origin = incoming.header('origin');
    if (origin !== undefined && !origins.has(origin) && !sameHost(origin, host))
      throw new ServeError(403, `origin '${origin.slice(0, 100)}' is not allowed; allowedOrigins lists those that are`);
    if (OPEN.test(path)) return;
    if (tokens.length > 0) checkToken(incoming.header('authorization'), tokens);
    if (options.authenticate && !(await options.authenticate(incoming))) throw unauthorized('not allowed');
  };
}

function sameHost(origin: string, host: string): boolean {
  try {
    return new URL(origin).host === host.toLowerCase();
  } catch {
    return false;
  }
}

const unauthorized = (message: string): ServeError =>
  new ServeError(401, message, { headers: { 'www-authenticate': 'Bearer' } });

// Digests are of one length, and all of them are compared, so that the time says nothing.
function checkToken(authorization: string | undefined, tokens: readonly Buffer[]): void {
  const given = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
  if (given === undefined) throw unauthorized('a bearer token is needed');
  const own = digest(given);
  let right = false;
  for (const token of tokens) right = timingSafeEqual(own, token) || right;
  if (!right) throw unauthorized('the token is not the right one');
}

/** Headers that let a page of another origin read the answer; none where it isn't one of those allowed. */
export function originHeaders(incoming: Incoming, options: AccessOptions): Record<string, string> {
  const origin = incoming.header('origin');
  if (origin === undefined || !options.allowedOrigins?.includes(origin)) return {};
  return {
    'access-control-allow-origin': origin,
    'access-control-expose-headers': 'inference-header-content-length, retry-after',
    vary: 'origin',
  };
}

/** The answer to a browser that asks whether it may ask. */
export const preflightHeaders = {
  'access-control-allow-methods': 'GET, POST',
  'access-control-allow-headers':
    'authorization, content-type, content-encoding, inference-header-content-length, traceparent',
  'access-control-max-age': '600',
};
