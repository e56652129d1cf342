/** What the tests of tenfold/serve share: servers that are closed with their test, and requests of all kinds. */
import { request, type IncomingHttpHeaders } from 'node:http';
import { onTestFinished } from 'vitest';
import { serve, type ServeOptions, type ServerHandle } from '../../lib/serve/index.js';

/** A server on a port that the system chooses, closed when the test ends. */
export async function start(options: Omit<ServeOptions, 'port'>): Promise<ServerHandle> {
  const server = await serve({ ...options, port: 0 });
  onTestFinished(() => server.close({ deadline: 2000 }));
  return server;
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
  /** The body as JSON. */
  json: any; // eslint-disable-line @typescript-eslint/no-explicit-any -- tests look into answers of all kinds
}

interface Asking {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array | object;
}

/** Sends a request and reads the answer. node:http, as fetch would decompress, and set headers of its own. */
export function ask(server: { url: string }, path: string, { method, headers, body }: Asking = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const bytes =
      body === undefined || typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
    const req = request(
      server.url + path,
      { method: method ?? (body === undefined ? 'GET' : 'POST'), headers, agent: false },
      (res) => {
        const pieces: Buffer[] = [];
        res.on('data', (piece: Buffer) => pieces.push(piece));
        res.on('error', reject);
        res.on('end', () => {
          const all = Buffer.concat(pieces);
          let json: unknown;
          try {
            json = JSON.parse(all.toString());
          } catch {
            json = undefined;
          }
          resolve({ status: res.statusCode!, headers: res.headers, body: all, json });
        });
      },
    );
    req.on('error', reject);
    req.end(bytes);
  });
}

/** Asks a model, in JSON. */
export const infer = (server: { url: string }, model: string, body: object): Promise<Answer> =>
  ask(server, `/v2/models/${model}/infer`, { body });

/** A request whose tensors follow its JSON as bytes. */
export function inferBytes(
  server: { url: string },
  model: string,
  header: object,
  ...tensors: Uint8Array[]
): Promise<Answer> {
  const json = Buffer.from(JSON.stringify(header));
  return ask(server, `/v2/models/${model}/infer`, {
    headers: { 'inference-header-content-length': String(json.length), 'content-type': 'application/octet-stream' },
    body: Buffer.concat([json, ...tensors]),
  });
}

/** JSON and bytes of an answer. */
export function split({ headers, body }: Answer): { json: any; bytes: Buffer } /* eslint-disable-line */ {
  const length = Number(headers['inference-header-content-length'] ?? body.length);
  return { json: JSON.parse(body.subarray(0, length).toString()), bytes: body.subarray(length) };
}
