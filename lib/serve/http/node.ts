/** Requests of node:http, and so of Express, Fastify and Koa. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ServeError } from '../errors.js';
import { REASONS, isStream, type Incoming, type Outgoing } from './exchange.js';

/** How long what still comes of a refused body is thrown away, so that the client gets to read the answer. */
const LINGER_MS = 500;

/** A request of node:http as the server's own. A body that a parser before has read is taken from `req.body`. */
export function incomingOf(req: IncomingMessage, res: ServerResponse): Incoming {
  const controller = new AbortController();
  res.once('close', () => {
    if (!res.writableFinished) controller.abort();
  });
  return {
    method: req.method ?? 'GET',
    url: req.url ?? '/',
    header: (name) => {
      const value = req.headers[name];
      return Array.isArray(value) ? value.join(', ') : value;
    },
    body: bodyOf(req),
    signal: controller.signal,
  };
}

function bodyOf(req: IncomingMessage): AsyncIterable<Uint8Array> | null {
  if (req.method === 'GET' || req.method === 'HEAD') return null;
  if (!req.readableEnded) return req;
  const { body } = req as { body?: unknown };
  if (body instanceof Uint8Array) return once(body);
  if (typeof body === 'string') return once(Buffer.from(body));
  if (body === undefined || Number(req.headers['content-length'] ?? 0) === 0) return null;
  throw new ServeError(
    500,
    'handler: the body was read by a parser before; mount the handler in front of it, as JSON that was parsed has lost what is not JSON',
  );
}
async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

/** Sends an answer. Resolves when it is sent, or the client has gone. */
export async function send(req: IncomingMessage, res: ServerResponse, outgoing: Outgoing): Promise<void> {
  const { status, body } = outgoing;
  const headers: Record<string, string | number> = { ...outgoing.headers };
  const unread = !req.readableEnded && !req.complete;
  if (unread) headers.connection = 'close';
  const stream = isStream(body);
  if (!stream && status !== 204) headers['content-length'] = body.reduce((n, piece) => n + piece.length, 0);
  const reason = (REASONS as Record<number, string | undefined>)[status];
  if (reason === undefined) res.writeHead(status, headers);
  else res.writeHead(status, reason, headers);
  if (stream) await pour(res, body);
  else if (req.method !== 'HEAD') for (const piece of body) res.write(piece);
  res.end();
  if (unread) {
    req.resume();
    setTimeout(() => req.destroy(), LINGER_MS).unref();
  }
}

// One event after the other, no faster than the client reads.
async function pour(res: ServerResponse, body: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const piece of body) {
    if (res.destroyed) return;
    if (res.write(piece)) continue;
    await new Promise<void>((resolve) => {
      const go = (): void => {
        res.off('drain', go);
        res.off('close', go);
        resolve();
      };
      res.once('drain', go);
      res.once('close', go);
    });
  }
}
