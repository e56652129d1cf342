/**
 * Runs real clients of the Open Inference Protocol against tenfold/serve, and records what they said and were answered, for
 * test/serve/clients.test.ts:
 *
 *   node --conditions=tenfold-source --import tsx scripts/record/serving.ts [python]
 *
 * Where a client's package isn't there, a virtual environment in build/cache/ is made for it with pip; where that can't be, the
 * client is skipped, and its recording stays as it was. Recorded with tritonclient 2.73.0 and kserve 0.21.0.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import {
  connect,
  createServer as createHttp2Server,
  type IncomingHttpHeaders as Http2Headers,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { serve } from 'tenfold/serve';
import { exchangeModels } from '../../test/serve/exchangeModels.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const FIXTURE = join(root, 'test/fixtures/serving.json.gz');
const PACKAGES = { triton: 'tritonclient[http,grpc]==2.73.0', kserve: 'kserve==0.21.0' };
type Client = keyof typeof PACKAGES;

/** One request and its answer; bytes in base64. For gRPC `path` is the method, and bodies are all frames of the call. */
interface Exchange {
  protocol: 'http' | 'grpc';
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string;
  status: number;
  answerHeaders: Record<string, string>;
  answer: string;
}

/** What decides about an answer; the rest belongs to the connection. */
const KEPT = ['content-type', 'content-encoding', 'accept-encoding', 'inference-header-content-length', 'grpc-encoding', 'grpc-status', 'grpc-message']; // prettier-ignore
const kept = (headers: IncomingHttpHeaders | Http2Headers): Record<string, string> =>
  Object.fromEntries(KEPT.flatMap((name) => (headers[name] === undefined ? [] : [[name, String(headers[name])]])));

async function collect(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** A server in front of ours that writes down what goes through. */
async function recordHttp(target: string, into: Exchange[]): Promise<{ port: number; close: () => void }> {
  const server = createServer((req, res) => {
    void collect(req).then((body) => {
      const forward = httpRequest(target + req.url!, { method: req.method, headers: req.headers }, (answer) => {
        void collect(answer).then((bytes) => {
          into.push({
            protocol: 'http',
            method: req.method!,
            path: req.url!,
            headers: kept(req.headers),
            body: body.toString('base64'),
            status: answer.statusCode!,
            answerHeaders: kept(answer.headers),
            answer: bytes.toString('base64'),
          });
          res.writeHead(answer.statusCode!, answer.headers);
          res.end(bytes);
        });
      });
      forward.end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, close: () => (server.close(), server.closeAllConnections()) };
}

async function recordGrpc(port: number, into: Exchange[]): Promise<{ port: number; close: () => void }> {
  const upstream = connect(`http://127.0.0.1:${port}`);
  const server = createHttp2Server();
  server.on('stream', (stream: ServerHttp2Stream, headers: Http2Headers) => {
    const path = String(headers[':path']);
    const forward = upstream.request({ ...headers, ':authority': `127.0.0.1:${port}` });
    const asked: Buffer[] = [];
    const told: Buffer[] = [];
    stream.on('data', (piece: Buffer) => (asked.push(piece), forward.write(piece)));
    stream.on('end', () => forward.end());
    let last: Http2Headers = {};
    forward.on('response', (answer, flags) => {
      last = answer;
      const ends = (flags & 1) !== 0;
      stream.respond({ ...answer }, ends ? { endStream: true } : { waitForTrailers: true });
    });
    forward.on('trailers', (trailers) => (last = { ...last, ...trailers }));
    forward.on('data', (piece: Buffer) => (told.push(piece), stream.write(piece)));
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': last['grpc-status'], 'grpc-message': last['grpc-message'] })); // prettier-ignore
    forward.on('end', () => {
      if (!stream.writableEnded) stream.end();
      into.push({
        protocol: 'grpc',
        method: 'POST',
        path,
        headers: kept(headers),
        body: Buffer.concat(asked).toString('base64'),
        status: Number(last['grpc-status']),
        answerHeaders: kept(last),
        answer: Buffer.concat(told).toString('base64'),
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, close: () => (upstream.destroy(), server.close()) };
}

/** A Python that has a client's package; null, with a message, where none can be had. */
function pythonFor(client: Client, given: string | undefined): string | null {
  const module = { triton: 'tritonclient.grpc', kserve: 'kserve' }[client];
  const has = (python: string): boolean => spawnSync(python, ['-c', `import ${module}`]).status === 0;
  if (given !== undefined && has(given)) return given;
  const folder = join(root, 'build/cache', `serving-${client}`);
  const python = join(folder, 'bin/python');
  if (existsSync(python) && has(python)) return python;
  const made =
    spawnSync('python3', ['-m', 'venv', folder]).status === 0 &&
    spawnSync(python, ['-m', 'pip', 'install', '--quiet', PACKAGES[client]], { stdio: 'inherit' }).status === 0;
  if (made && has(python)) return python;
  console.log(`${client}: skipped, as ${PACKAGES[client]} can't be installed here`);
  return null;
}

const server = await serve({ models: exchangeModels, port: 0, grpcPort: 0 });
const recorded: Record<string, Exchange[]> = existsSync(FIXTURE)
  ? (JSON.parse(gunzipSync(readFileSync(FIXTURE)).toString()) as Record<string, Exchange[]>)
  : {};
for (const client of Object.keys(PACKAGES) as Client[]) {
  const python = pythonFor(client, process.argv[2]);
  if (python === null) continue;
  const exchanges: Exchange[] = [];
  const [http, grpc] = [await recordHttp(server.url, exchanges), await recordGrpc(server.grpcPort!, exchanges)];
  const args = [join(root, 'scripts/record/serving_clients.py'), client, `http://127.0.0.1:${http.port}`, `127.0.0.1:${grpc.port}`]; // prettier-ignore
  const status = await new Promise((resolve) => spawn(python, args, { stdio: 'inherit' }).on('exit', resolve));
  http.close();
  grpc.close();
  if (status !== 0) {
    console.log(`${client}: failed`);
    process.exitCode = 1;
    continue;
  }
  // Statistics have times, which no second run has.
  recorded[client] = exchanges.filter(({ path }) => !/stat/i.test(path));
  console.log(`${client}: ${recorded[client].length} exchanges recorded`);
}
writeFileSync(FIXTURE, gzipSync(JSON.stringify(recorded), { level: 9 }));
await server.close();
