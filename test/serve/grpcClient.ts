/** The little of a gRPC client that tests need: a call with its frames as they are. */
import type { ClientHttp2Session } from 'node:http2';

export interface Outcome {
  status: number;
  message: string | undefined;
  /** All frames of the answer. */
  body: Buffer;
}

/** Sends the frames of a call, and reads what comes back until its status. */
export function call(
  session: ClientHttp2Session,
  path: string,
  body: Uint8Array,
  headers: Record<string, string> = {},
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    session.on('error', reject);
    const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers', ...headers }); // prettier-ignore
    const pieces: Buffer[] = [];
    let last: Record<string, unknown> = {};
    stream.on('response', (answer) => (last = { ...answer }));
    stream.on('trailers', (trailers) => (last = { ...last, ...trailers }));
    stream.on('data', (piece: Buffer) => pieces.push(piece));
    stream.on('error', reject);
    stream.on('end', () =>
      resolve({
        status: Number(last['grpc-status']),
        message: last['grpc-message'] as string | undefined,
        body: Buffer.concat(pieces),
      }),
    );
    stream.end(body);
  });
}

/** A message as a frame. */
export function frame(message: Uint8Array, compressed = false): Buffer {
  const head = Buffer.alloc(5);
  head[0] = compressed ? 1 : 0;
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** The messages in an answer's frames. */
export function framesOf(bytes: Buffer): Buffer[] {
  const messages: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readUInt32BE(at + 1);
    messages.push(bytes.subarray(at + 5, at + 5 + length));
    at += 5 + length;
  }
  return messages;
}
