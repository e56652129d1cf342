/**
 * The load, a process of its own: clients that ask, wait for the answer, and ask again, texts of 16 to 128 tokens. Prints what it
 * found as JSON.
 *
 *   load.ts URL CLIENTS SECONDS
 */
import { Agent, request } from 'node:http';
import { quantile, type Measured } from './kinds.js';

const [url, clients, seconds] = [process.argv[2]!, Number(process.argv[3]), Number(process.argv[4])];
const agent = new Agent({ keepAlive: true, maxSockets: clients + 1 });

function call(method: string, path: string, body?: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(url + path, { method, agent, headers: { 'content-type': 'application/json' } }, (res) => {
      let text = '';
      res.setEncoding('utf8').on('data', (part: string) => (text += part));
      res.on('end', () => resolve({ status: res.statusCode!, text })).on('error', reject);
    });
    // A server may close a connection that it takes for idle just as it is used again.
    const again = (error: NodeJS.ErrnoException): boolean => sent.reusedSocket && error.code === 'ECONNRESET';
    sent.on('error', (error) => (again(error) ? resolve(call(method, path, body)) : reject(error))).end(body);
  });
}

// The same texts for everybody: a small generator with a seed.
let state = 1;
const below = (n: number): number => (state = (state * 48271) % 2147483647) % n;
const bodies = Array.from({ length: 200 }, () => {
  const length = 16 + below(113);
  const ids = Array.from({ length }, () => 1000 + below(20_000));
  const port = (name: string, data: number[]): object => ({ name, datatype: 'INT64', shape: [1, length], data });
  return JSON.stringify({
    inputs: [
      port('ids', ids),
      port(
        'mask',
        ids.map(() => 1),
      ),
    ],
  });
});

let [running, failed, sum, next] = [true, 0, 0, 0];
const times: number[] = [];
async function client(counting: () => boolean): Promise<void> {
  while (running) {
    const body = bodies[next++ % bodies.length]!;
    const start = performance.now();
    const { status, text } = await call('POST', '/v2/models/minilm/infer', body);
    if (!counting()) continue;
    if (status !== 200) failed++;
    else {
      times.push(performance.now() - start);
      sum += (JSON.parse(text) as { outputs: { data: number[] }[] }).outputs[0]!.data[0]!;
    }
  }
}
const lives: number[] = [];
async function watch(counting: () => boolean): Promise<void> {
  while (running) {
    const start = performance.now();
    await call('GET', '/v2/health/live');
    if (counting()) lives.push(performance.now() - start);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

let counting = false;
const all = [...Array.from({ length: clients }, () => client(() => counting)), watch(() => counting)];
await new Promise((resolve) => setTimeout(resolve, 2000)); // until everything is warm
counting = true;
await call('GET', '/delay'); // from now on, where there is one
const begin = performance.now();
await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
const took = (performance.now() - begin) / 1000;
[counting, running] = [false, false];
const requests = times.length;
await Promise.all(all);
agent.destroy();
const sorted = times.sort((a, b) => a - b);
const found: Measured = {
  requests,
  seconds: took,
  failed,
  p50: quantile(sorted, 0.5),
  p99: quantile(sorted, 0.99),
  liveP99: quantile(lives.sort((a, b) => a - b), 0.99), // prettier-ignore
  check: sum / requests,
};
console.log(JSON.stringify(found));
