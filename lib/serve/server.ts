/** serve(): a server of its own, safe by default. */
import { createServer as createHttpServer, type Server } from 'node:http';
import { createServer as createHttpsServer, type ServerOptions as TlsOptions } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { TenfoldError, checkOptions, show } from '../errors.js';
import { duration } from './batching/options.js';
import { listenGrpc, type GrpcServer } from './grpc/server.js';
import { handlerOf } from './handler.js';
import { HANDLER_OPTIONS, checkHandlerOptions, type HandlerOptions } from './options.js';
import { Service } from './service.js';

/** Options of serve(). */
export interface ServeOptions extends HandlerOptions {
  /** Interface to listen on. '127.0.0.1', as it starts: only this machine. '0.0.0.0' is all of IPv4. */
  host?: string;
  /** 8000, as it starts; 0 lets the system choose. */
  port?: number;
  /** A second port, for gRPC: the protocol's GRPCInferenceService. None, as it starts; 0 lets the system choose. */
  grpcPort?: number;
  /** HTTPS, and TLS for gRPC: `cert`, `key`, `ca`, … as node:https has them. */
  tls?: TlsOptions;
  /** Largest head of a request in bytes. 16,384, as it starts. */
  maxHeaderSize?: number;
  /** Milliseconds for the head of a request to arrive. 10,000, as they start. */
  headersTimeout?: number;
  /** Milliseconds for all of a request to arrive. 60,000, as they start. */
  requestTimeout?: number;
  /** Connections at the same time; one more is closed. 10,000, as they start. */
  maxConnections?: number;
  /** Whether SIGTERM and SIGINT close the server and then end the process. No, as it starts; `npx tenfold serve`: yes. */
  handleSignals?: boolean;
  /** Milliseconds that close() and a signal give to what was begun. 30,000, as they start. */
  shutdownDeadline?: number;
}
const OWN_OPTIONS = [
  'host',
  'port',
  'grpcPort',
  'tls',
  'maxHeaderSize',
  'headersTimeout',
  'requestTimeout',
  'maxConnections',
  'handleSignals',
  'shutdownDeadline',
] as const;

/** A running server. */
export interface ServerHandle {
  /** Where it listens, such as 'http://127.0.0.1:8000'. */
  readonly url: string;
  readonly port: number;
  /** The port for gRPC, where one was asked for. */
  readonly grpcPort: number | null;
  /** Not ready any more, finishes what was begun within the deadline, then closes all connections. */
  close(options?: { deadline?: number }): Promise<void>;
}

const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || /^127\./.test(host);

/**
 * Serves models by the Open Inference Protocol v2 (KServe's and Triton's), with batching, metrics and a status page. Resolves
 * when the models are loaded and the port is open.
 *
 * ```ts
 * const server = await serve({
 *   models: { digits: { model, example: zeros(1, 784) } },
 *   port: 8000,
 * });
 * console.log(server.url);
 * await server.close();
 * ```
 *
 * TypeError, RangeError for options that are none; TenfoldError for a model that can't be loaded and a port that can't be had.
 */
export async function serve(options: ServeOptions): Promise<ServerHandle> {
  checkHandlerOptions('serve', options, [...HANDLER_OPTIONS, ...OWN_OPTIONS]);
  const { host = '127.0.0.1', port = 8000, shutdownDeadline = 30_000 } = options;
  if (typeof host !== 'string' || host === '') throw new TypeError(`serve: host must be a string, got ${show(host)}`);
  checkPort('port', port);
  if (options.grpcPort !== undefined) checkPort('grpcPort', options.grpcPort);
  duration('serve', 'shutdownDeadline', shutdownDeadline);
  const local = isLoopback(host);
  const service = new Service('serve', { ...options, exposeErrors: options.exposeErrors ?? local }, local);
  const server = makeServer(options, service);
  let grpc: GrpcServer | null = null;
  try {
    await service.started;
    await listen(server, host, port);
    if (options.grpcPort !== undefined) grpc = await listenGrpc(service, host, options.grpcPort, options.tls);
  } catch (error) {
    server.close();
    await service.close(0);
    throw error;
  }
  const { port: bound } = server.address() as AddressInfo;
  const shown = host.includes(':') ? `[${host}]` : host;
  let closed: Promise<void> | undefined;
  const close = (closing: { deadline?: number } = {}): Promise<void> => {
    checkOptions('close', closing, ['deadline']);
    return (closed ??= shutDown(server, grpc, service, closing.deadline ?? shutdownDeadline));
  };
  if (options.handleSignals) onSignals(close);
  const url = `${options.tls ? 'https' : 'http'}://${shown}:${bound}`;
  return { url, port: bound, grpcPort: grpc?.port ?? null, close };
}

function checkPort(name: string, port: unknown): void {
  if (!Number.isInteger(port) || (port as number) < 0 || (port as number) > 65535)
    throw new RangeError(`serve: ${name} must be an integer from 0 to 65535, got ${show(port)}`);
}

function makeServer(options: ServeOptions, service: Service): Server {
  const settings = {
    maxHeaderSize: options.maxHeaderSize ?? 16 << 10,
    headersTimeout: duration('serve', 'headersTimeout', options.headersTimeout ?? 10_000),
    requestTimeout: duration('serve', 'requestTimeout', options.requestTimeout ?? 60_000),
    // How often Node looks whether one of the two is over.
    connectionsCheckingInterval: 1000,
  };
  const listener = handlerOf(service);
  const server = options.tls
    ? (createHttpsServer({ ...options.tls, ...settings }, listener) as unknown as Server)
    : createHttpServer(settings, listener);
  server.maxConnections = options.maxConnections ?? 10_000;
  server.on('clientError', refuse);
  return server;
}

const CLIENT_ERRORS: Record<string, readonly [number, string, string]> = {
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large', 'the head of the request is too large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout', 'the request took too long to arrive'],
};

// What can't be read as a request: Node hands on the socket.
function refuse(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, reason, message] = CLIENT_ERRORS[error.code ?? ''] ?? [400, 'Bad Request', 'this is no HTTP request'];
  const body = JSON.stringify({ error: message });
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
  );
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: Error) =>
      reject(new TenfoldError('value', `serve: can't listen on ${host}:${port}: ${cause.message}`, { cause })),
    );
    server.listen({ host, port }, () => resolve());
  });
}

async function shutDown(server: Server, grpc: GrpcServer | null, service: Service, deadline: number): Promise<void> {
  // The port stays open until all is answered, so that a load balancer sees that the server is not ready any more.
  await service.close(deadline);
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), 1000);
  await Promise.all([closed, grpc?.close()]);
  clearTimeout(timer);
}

function onSignals(close: () => Promise<void>): void {
  const end = (signal: NodeJS.Signals): void => {
    process.off('SIGTERM', end);
    process.off('SIGINT', end);
    void close().finally(() => process.kill(process.pid, signal));
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
}
