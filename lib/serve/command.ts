/** The command line: `npx tenfold serve ./models`. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { serve, type ServeOptions } from './server.js';

const HELP = `Usage: tenfold serve FOLDER [options]

Serves the model repository in FOLDER by the Open Inference Protocol (KServe's and Triton's), with a status page
at '/' and Prometheus metrics at '/metrics'. A repository is name/version/model.onnx, or name/version/model.mjs with
model.safetensors, and name/config.json where there is something to set.

  --host HOST            interface to listen on (127.0.0.1: this machine only)
  --port PORT            port (8000; 0: the system chooses)
  --grpc-port PORT       a second port, for gRPC
  --poll MS              milliseconds between looks for changed models (1000; 0: none)
  --model-control        clients may load and unload models
  --token-file FILE      clients must send the bearer token in FILE; TENFOLD_TOKEN in the environment does the same
  --tls-cert FILE        certificate, and --tls-key FILE its key, for HTTPS
  --allow-host NAME      name by which clients may call a server on the loopback interface; may be repeated
  --allow-origin ORIGIN  web pages that may call the server; may be repeated
  --max-body BYTES       largest request (67108864)
  --max-concurrency N    batches that are computed at the same time (the number of processors)
  --log                  one line of JSON for each request, on the standard output
  --help                 this text`;

const OPTIONS = {
  host: { type: 'string' },
  port: { type: 'string' },
  'grpc-port': { type: 'string' },
  poll: { type: 'string' },
  'model-control': { type: 'boolean' },
  'token-file': { type: 'string' },
  'tls-cert': { type: 'string' },
  'tls-key': { type: 'string' },
  'allow-host': { type: 'string', multiple: true },
  'allow-origin': { type: 'string', multiple: true },
  'max-body': { type: 'string' },
  'max-concurrency': { type: 'string' },
  log: { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

class UsageError extends Error {}

function integer(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,15}$/.test(text)) throw new UsageError(`--${name} must be a number, got '${text}'`);
  return Number(text);
}

/** The options of serve() that arguments stand for; null where help is asked for. */
export function readArguments(args: readonly string[], env: NodeJS.ProcessEnv): ServeOptions | null {
  let parsed;
  try {
    parsed = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  const { values, positionals } = parsed;
  if (values.help) return null;
  const [command, folder, ...more] = positionals;
  if (command !== 'serve')
    throw new UsageError(`what to do? 'tenfold serve FOLDER' or 'tenfold build-distributed'; got '${command ?? ''}'`);
  if (folder === undefined || more.length > 0) throw new UsageError("'tenfold serve' takes one folder");
  const token =
    values['token-file'] === undefined ? env.TENFOLD_TOKEN : readFileSync(values['token-file'], 'utf8').trim();
  const { 'tls-cert': cert, 'tls-key': key } = values;
  if ((cert === undefined) !== (key === undefined)) throw new UsageError('--tls-cert and --tls-key belong together');
  const maxBodyBytes = integer('max-body', values['max-body']);
  const given = {
    host: values.host,
    port: integer('port', values.port),
    grpcPort: integer('grpc-port', values['grpc-port']),
    pollInterval: integer('poll', values.poll),
    maxConcurrency: integer('max-concurrency', values['max-concurrency']),
    modelControl: values['model-control'],
    token,
    tls: cert === undefined ? undefined : { cert: readFileSync(cert), key: readFileSync(key!) },
    allowedHosts: values['allow-host'],
    allowedOrigins: values['allow-origin'],
    limits: maxBodyBytes === undefined ? undefined : { maxBodyBytes },
    log: values.log,
  };
  const options = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return { models: folder, handleSignals: true, ...options };
}

async function main(): Promise<void> {
  try {
    const options = readArguments(process.argv.slice(2), process.env);
    if (options === null) {
      process.stdout.write(HELP + '\n');
      return;
    }
    const { url } = await serve(options);
    process.stderr.write(`tenfold: serving '${options.models as string}' at ${url}\n`);
  } catch (error) {
    process.stderr.write(`tenfold: ${(error as Error).message}\n`);
    if (error instanceof UsageError) process.stderr.write(`${HELP.split('\n')[0]}; --help tells more\n`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}

void main();
