/**
 * gRPC over node:http2 (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md): calls, frames, deadlines, statuses.
 * It needs no package: what a server of one service takes of gRPC is small, and Node has the rest.
 */
import {
  constants,
  createSecureServer,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import { createGunzip, createInflate } from 'node:zlib';
import { TenfoldError } from '../../errors.js';
import { ServeError, badRequest } from '../errors.js';
import { decompress } from '../http/body.js';
import { asServeError } from '../http/exchange.js';
import type { Service } from '../service.js';
import { METHODS, type Method } from './messages.js';
import { ANSWERS, infer, type Call } from './methods.js';
import { decode, encode, type Message } from './wire.js';

const SERVICE = '/inference.GRPCInferenceService/';

/** gRPC's codes of our statuses. */
const CODES: Readonly<Record<number, number>> = {
  400: 3, // INVALID_ARGUMENT
  401: 16, // UNAUTHENTICATED
  403: 7, // PERMISSION_DENIED
  404: 5, // NOT_FOUND
  408: 4, // DEADLINE_EXCEEDED
  413: 8, // RESOURCE_EXHAUSTED
  499: 1, // CANCELLED
  500: 13, // INTERNAL
  501: 12, // UNIMPLEMENTED
  503: 14, // UNAVAILABLE
};

/** A port that speaks gRPC. */
export interface GrpcServer {
  readonly port: number;
  close(): Promise<void>;
}

export async function listenGrpc(
  service: Service,
  host: string,
  port: number,
  tls: SecureContextOptions | undefined,
): Promise<GrpcServer> {
  const settings = {
    // Tensors are large: whole ones on their way, and a window that doesn't stop them every 64 KB.
    settings: { initialWindowSize: 1 << 20, maxConcurrentStreams: 1000 },
    maxSessionMemory: Math.ceil(service.limits.maxBodyBytes / 1e6) * 4 + 16,
  };
  const server: Http2Server = tls ? createSecureServer({ ...tls, ...settings }) : createServer(settings);
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    session.on('error', () => session.destroy());
  });
  server.on('sessionError', () => {}); // the client's, who sees it by itself
  server.on('stream', (stream, headers) => void new Exchange(service, stream, headers).run());
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: Error) =>
      reject(new TenfoldError('value', `serve: can't listen on ${host}:${port}: ${cause.message}`, { cause })),
    );
    server.listen({ host, port }, () => resolve());
  });
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const session of sessions) session.close();
      const timer = setTimeout(() => sessions.forEach((session) => session.destroy()), 1000);
      await closed;
      clearTimeout(timer);
    },
  };
}

/** Milliseconds of a `grpc-timeout`, such as '100m' or '5S'; Infinity where there is none. */
function deadlineOf(header: string | undefined): number {
  if (header === undefined) return Infinity;
  const found = /^(\d{1,8})([HMSmun])$/.exec(header);
  if (found === null) throw badRequest(`grpc-timeout '${header}' is none`);
  const unit = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 }[found[2] as 'H'];
  return Number(found[1]) * unit;
}

/** The id of a request that failed, as far as it can be read. */
function idOf(bytes: Uint8Array): unknown {
  try {
    return decode(bytes, { id: METHODS.ModelInfer[0].id }).id;
  } catch {
    return '';
  }
}

/** One call: its messages in, its answers out, and the status at the end. */
class Exchange {
  private readonly controller = new AbortController();
  private answered = false;
  constructor(
    private readonly service: Service,
    private readonly stream: ServerHttp2Stream,
    private readonly headers: IncomingHttpHeaders,
  ) {
    stream.on('error', () => {}); // 'close' follows
    stream.on('close', () => this.controller.abort(new ServeError(499, 'the client has gone')));
  }

  async run(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    try {
      const limit = deadlineOf(this.header('grpc-timeout'));
      if (limit < 2 ** 31)
        timer = setTimeout(() => this.controller.abort(new ServeError(408, 'the deadline is over')), limit);
      await this.answer();
      this.finish(0, '');
    } catch (error) {
      const { status, message } = asServeError(error, this.service.options.exposeErrors ?? false);
      this.finish(CODES[status] ?? 2, message);
    } finally {
      clearTimeout(timer);
    }
  }

  private header(name: string): string | undefined {
    const value = this.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  }

  private async answer(): Promise<void> {
    const path = String(this.headers[constants.HTTP2_HEADER_PATH]);
    const header = (name: string): string | undefined => this.header(name === 'host' ? ':authority' : name);
    await this.service.checkAccess({ method: 'POST', url: path, header }, path);
    const name = path.startsWith(SERVICE) ? (path.slice(SERVICE.length) as Method) : '';
    if (!Object.hasOwn(METHODS, name)) throw new ServeError(501, `there is no method '${path}'`);
    const method = name as Method;
    const call: Call = { service: this.service, signal: this.controller.signal, traceparent: header('traceparent') };
    const [asked, told] = METHODS[method];
    if (method === 'ModelStreamInfer') {
      await this.streamed(call);
      return;
    }
    for await (const bytes of this.messages()) {
      const message = await this.service.during(async () => ANSWERS[method](decode(bytes, asked), call));
      this.write(encode(message, told));
      return;
    }
    throw badRequest('a call without a message');
  }

  // Each request of a stream is answered when it is ready, with its id; one that fails ends no other.
  private async streamed(call: Call): Promise<void> {
    const [asked, told] = METHODS.ModelStreamInfer;
    const running = new Set<Promise<void>>();
    for await (const bytes of this.messages()) {
      const one = this.service
        .during(async () => infer(decode(bytes, asked), call))
        .then(
          (response): Message => ({ infer_response: response }),
          (error: unknown): Message => ({
            error_message: asServeError(error, this.service.options.exposeErrors ?? false).message,
            infer_response: { id: idOf(bytes) },
          }),
        )
        .then((message) => this.write(encode(message, told)))
        .finally(() => running.delete(one));
      running.add(one);
    }
    await Promise.all(running);
  }

  /** The messages of the call: a byte that says whether it is compressed, four of length, and the message. */
  private async *messages(): AsyncIterable<Uint8Array> {
    const { maxBodyBytes } = this.service.limits;
    let rest: Uint8Array[] = [];
    let have = 0;
    // The stream outlives the reading: the answer goes the other way.
    const pieces = this.stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
    for await (const piece of pieces) {
      rest.push(piece);
      have += piece.length;
      while (have >= 5) {
        if (rest[0]!.length < 5) rest = [Buffer.concat(rest)];
        const head = Buffer.from(rest[0]!.buffer, rest[0]!.byteOffset, 5);
        const length = head.readUInt32BE(1);
        if (length > maxBodyBytes) throw new ServeError(413, `the message is larger than ${maxBodyBytes} bytes`);
        if (have < 5 + length) break;
        const all = rest.length === 1 ? rest[0]! : Buffer.concat(rest);
        rest = [all.subarray(5 + length)];
        have -= 5 + length;
        const message = all.subarray(5, 5 + length);
        yield head[0] === 0 ? message : await this.decompressed(Buffer.from(message));
      }
    }
    if (have > 0) throw badRequest('the call ends inside of a message');
  }

  private decompressed(bytes: Buffer): Promise<Buffer> {
    const encoding = this.header('grpc-encoding');
    if (encoding !== 'gzip' && encoding !== 'deflate')
      throw new ServeError(501, `grpc-encoding '${encoding ?? 'identity'}' is not known; gzip and deflate are`);
    return decompress(bytes, encoding === 'gzip' ? createGunzip() : createInflate(), this.service.limits);
  }

  private begin(): void {
    if (this.answered || this.stream.destroyed || this.stream.headersSent) return;
    this.answered = true;
    this.stream.respond(
      { ':status': 200, 'content-type': 'application/grpc+proto', 'grpc-accept-encoding': 'identity, gzip, deflate' },
      { waitForTrailers: true },
    );
  }
  private write(pieces: readonly Uint8Array[]): void {
    if (this.stream.destroyed) return;
    this.begin();
    const head = Buffer.alloc(5);
    head.writeUInt32BE(
      pieces.reduce((n, piece) => n + piece.length, 0),
      1,
    );
    this.stream.write(Buffer.concat([head, ...pieces]));
  }
  private finish(code: number, message: string): void {
    if (this.stream.destroyed) return;
    const trailers = {
      'grpc-status': String(code),
      ...(message === '' ? {} : { 'grpc-message': encodeURIComponent(message) }),
    };
    if (!this.answered) {
      this.stream.respond(
        { ':status': 200, 'content-type': 'application/grpc+proto', ...trailers },
        { endStream: true },
      );
      this.stream.resume();
      return;
    }
    this.stream.once('wantTrailers', () => this.stream.sendTrailers(trailers));
    this.stream.end();
  }
}
