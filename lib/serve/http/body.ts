/** Reading a request's body within limits, and compressing an answer's. */
import { constants, createGunzip, createInflate, deflate, gzip } from 'node:zlib';
import { promisify } from 'node:util';
import { ServeError, badRequest } from '../errors.js';
import type { Incoming, Outgoing } from './exchange.js';

/** What a request may take. */
export interface BodyLimits {
  /** Bytes, as sent and once more when decompressed. */
  maxBodyBytes: number;
  /** How many times larger a body may get when decompressed. */
  maxCompressionRatio: number;
  /** Milliseconds for the body to arrive. */
  bodyTimeout: number;
}

/** The body, decompressed. A ServeError for what is too large, too slow, or compressed in another way. */
export async function readBody(incoming: Incoming, limits: BodyLimits): Promise<Buffer> {
  const encoding = (incoming.header('content-encoding') ?? 'identity').trim().toLowerCase();
  if (!['identity', 'gzip', 'x-gzip', 'deflate'].includes(encoding)) {
    throw new ServeError(415, `content-encoding '${encoding}' is not known; gzip and deflate are`, {
      headers: { 'accept-encoding': 'gzip, deflate' },
    });
  }
  const tooLarge = (): ServeError => bodyTooLarge(limits);
  if (Number(incoming.header('content-length') ?? 0) > limits.maxBodyBytes) throw tooLarge();
  if (incoming.body === null) return Buffer.alloc(0);
  const bytes = await inTime(collect(incoming.body, limits.maxBodyBytes, tooLarge), limits.bodyTimeout);
  if (encoding === 'identity' || bytes.length === 0) return bytes;
  return decompress(bytes, encoding === 'deflate' ? createInflate() : createGunzip(), limits);
}

const bodyTooLarge = ({ maxBodyBytes }: Pick<BodyLimits, 'maxBodyBytes'>): ServeError =>
  new ServeError(413, `the body is larger than ${maxBodyBytes} bytes`);

async function collect(pieces: AsyncIterable<Uint8Array>, limit: number, tooLarge: () => ServeError): Promise<Buffer> {
  const all: Uint8Array[] = [];
  let size = 0;
  for await (const piece of pieces) {
    size += piece.length;
    if (size > limit) throw tooLarge();
    all.push(piece);
  }
  return Buffer.concat(all, size);
}

async function inTime<T>(work: Promise<T>, milliseconds: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new ServeError(408, `the body took longer than ${milliseconds} ms to arrive`)),
      milliseconds,
    );
  });
  work.catch(() => {}); // when it comes too late, nobody looks
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Small bodies may be compressed as well as they like: a thousand zeros is no attack. */
const FREE_BYTES = 1 << 20;

/** Bytes decompressed by a stream of node:zlib, no more than is allowed. */
export function decompress(
  bytes: Buffer,
  stream: ReturnType<typeof createGunzip> | ReturnType<typeof createInflate>,
  limits: BodyLimits,
): Promise<Buffer> {
  const ratioLimit = Math.max(FREE_BYTES, bytes.length * limits.maxCompressionRatio);
  return new Promise((resolve, reject) => {
    const all: Buffer[] = [];
    let size = 0;
    const fail = (error: Error): void => {
      stream.destroy();
      reject(error);
    };
    stream.on('data', (piece: Buffer) => {
      size += piece.length;
      if (size > limits.maxBodyBytes) fail(bodyTooLarge(limits));
      else if (size > ratioLimit)
        fail(new ServeError(413, `the body is compressed by more than ${limits.maxCompressionRatio} times`));
      else all.push(piece);
    });
    stream.on('end', () => resolve(Buffer.concat(all, size)));
    stream.on('error', (error) => reject(badRequest(`the body can't be decompressed: ${error.message}`)));
    stream.end(bytes);
  });
}

const compressors = { gzip: promisify(gzip), deflate: promisify(deflate) };
/** Below this, compressing costs more than it saves. */
const WORTH_BYTES = 1024;

/** The answer, compressed where the client takes that. */
export async function compress(outgoing: Outgoing, acceptEncoding: string | undefined): Promise<Outgoing> {
  if (!Array.isArray(outgoing.body)) return outgoing;
  const pieces = outgoing.body as readonly Uint8Array[];
  const encoding = acceptEncoding === undefined ? null : chosen(acceptEncoding);
  if (encoding === null || pieces.reduce((n, piece) => n + piece.length, 0) < WORTH_BYTES) return outgoing;
  const body = await compressors[encoding](Buffer.concat(pieces), { level: constants.Z_BEST_SPEED });
  return {
    ...outgoing,
    headers: { ...outgoing.headers, 'content-encoding': encoding, vary: 'accept-encoding' },
    body: [body],
  };
}

/** gzip or deflate, whichever the client likes better; null for neither. */
function chosen(accept: string): 'gzip' | 'deflate' | null {
  let best: 'gzip' | 'deflate' | null = null;
  let bestWeight = 0;
  for (const part of accept.toLowerCase().split(',')) {
    const [name, ...parameters] = part.split(';').map((s) => s.trim());
    const weight = Number(parameters.find((p) => p.startsWith('q='))?.slice(2) ?? 1);
    if ((name !== 'gzip' && name !== 'deflate') || !(weight > bestWeight)) continue;
    best = name;
    bestWeight = weight;
  }
  return best;
}
