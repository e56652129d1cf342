/** handler(): the service for a server that is there already. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { checkOptions } from '../errors.js';
import { json } from './http/exchange.js';
import { incomingOfRequest, responseOf } from './http/fetch.js';
import { incomingOf, send } from './http/node.js';
import { failure } from './http/exchange.js';
import { HANDLER_OPTIONS, checkHandlerOptions, type HandlerOptions } from './options.js';
import { Service } from './service.js';

/** What handler() returns: a listener of node:http, which is also middleware of Express. */
export interface Handler {
  /** Answers a request; calls `next` where there is one and the path is none of the protocol's. */
  (req: IncomingMessage, res: ServerResponse, next?: (error?: unknown) => void): void;
  /** The same for Request and Response, as Hono has them. `prefix` is what the paths begin with. */
  fetch(request: Request, prefix?: string): Promise<Response>;
  /** Resolves when the models are loaded; rejects with what is wrong with one. */
  readonly ready: Promise<void>;
  /** Not ready any more; finishes what was begun, at the latest after `deadline` milliseconds (30,000). */
  close(options?: { deadline?: number }): Promise<void>;
}

/**
 * The Open Inference Protocol for a server of your own, with the options of serve() that don't concern sockets.
 *
 * ```ts
 * const models = handler({ models: { digits: { model, inputs, outputs } } });
 * createServer(models).listen(8000);                       // node:http
 * app.use('/ml', models);                                  // Express, before body parsers
 * app.all('/v2/*', (c) => models.fetch(c.req.raw));        // Hono
 * ```
 *
 * TypeError for options that are none; what is wrong with a model shows in `ready`.
 */
export function handler(options: HandlerOptions): Handler {
  checkHandlerOptions('handler', options, HANDLER_OPTIONS);
  return handlerOf(new Service('handler', options, false));
}

/** A service as a handler. */
export function handlerOf(service: Service): Handler {
  const listen = (req: IncomingMessage, res: ServerResponse, next?: (error?: unknown) => void): void => {
    respond(service, req, res, next).catch((error: unknown) => {
      if (next) next(error);
      else res.destroy(error as Error);
    });
  };
  return Object.assign(listen, {
    ready: service.started,
    async fetch(request: Request, prefix = ''): Promise<Response> {
      return responseOf((await service.respond(incomingOfRequest(request, prefix))) ?? NOT_FOUND());
    },
    async close(closing: { deadline?: number } = {}): Promise<void> {
      checkOptions('close', closing, ['deadline']);
      await service.close(closing.deadline ?? 30_000);
    },
  });
}

const NOT_FOUND = (): ReturnType<typeof json> => json({ error: 'there is nothing at this path' }, 404);

async function respond(
  service: Service,
  req: IncomingMessage,
  res: ServerResponse,
  next: ((error?: unknown) => void) | undefined,
): Promise<void> {
  let incoming;
  try {
    incoming = incomingOf(req, res);
  } catch (error) {
    await send(req, res, failure(error, true));
    return;
  }
  const outgoing = await service.respond(incoming);
  if (outgoing === null && next) return next();
  await send(req, res, outgoing ?? NOT_FOUND());
}
