/**
 * Compiled calls beside JavaScript: what they take against synchronous ones, how late the event loop is meanwhile, and what two
 * of them at once get done.
 *
 *   npx tsx bench/async.ts [batch] [seconds]
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { compile, noGrad, setNumThreads, type Tensor } from 'tenfold';
import { miniLM } from './tasks/models.js';

const batch = Number(process.argv[2] ?? 8);
const seconds = Number(process.argv[3] ?? 3);
const { model, words } = miniLM(batch);

const make = (concurrency = 1): ReturnType<typeof compile<(x: Tensor) => Tensor>> => {
  const f = compile((x: Tensor) => model.forward(x) as Tensor, { concurrency });
  for (let i = 0; i < 2; i++) noGrad(() => f(words));
  return f;
};
const f = make();

/** Calls a second, and processor seconds of a call. */
async function rate(call: () => unknown, time: number): Promise<{ rate: number; cpu: number }> {
  const cpu = process.cpuUsage();
  const begin = performance.now();
  let calls = 0;
  while (performance.now() - begin < time * 1000) {
    await call();
    calls++;
  }
  const { user, system } = process.cpuUsage(cpu);
  return { rate: (calls / (performance.now() - begin)) * 1000, cpu: (user + system) / 1e6 / calls };
}

/** Several rounds of both, in turn, so that what else the machine does meets both. */
async function ratio(a: () => unknown, b: () => unknown): Promise<number[]> {
  const found: number[] = [];
  for (let round = 0; round < 6; round++) {
    const first = await rate(a, seconds / 6);
    const second = await rate(b, seconds / 6);
    found.push(second.rate / first.rate);
  }
  return found.sort((x, y) => x - y);
}
const shown = (list: number[]): string => `median ${list[list.length >> 1]!.toFixed(2)} (${list.map((x) => x.toFixed(2)).join(' ')})`; // prettier-ignore

const sync = (): Tensor => noGrad(() => f(words));
const { rate: calls, cpu } = await rate(sync, seconds);
console.log(
  `batch ${batch}: ${(1000 / calls).toFixed(2)} ms a synchronous call, ${(1000 * cpu).toFixed(2)} ms of processor time`,
);
console.log('asynchronous / synchronous throughput:', shown(await ratio(sync, () => f.async(words))));

const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
await rate(() => f.async(words), seconds);
delay.disable();
// The monitor's timer itself comes a millisecond after the last.
console.log(`event loop late by: p50 ${(delay.percentile(50) / 1e6 - 1).toFixed(2)} ms, p99 ${(delay.percentile(99) / 1e6 - 1).toFixed(2)} ms`); // prettier-ignore

setNumThreads(1);
const other = make();
const both = (): Promise<unknown> => Promise.all([f.async(words), other.async(words)]);
const two = await ratio(() => f.async(words), both);
console.log('two plans at once / one, each on one thread:', shown(two.map((x) => 2 * x)));
