/** A rank of Tenfold's for allReduce.ts: tells, in milliseconds and seconds of processor time, what its calls took. */
import * as tf from '../../lib/index.js';
import * as dist from '../../lib/distributed/index.js';

const rounds = Number(process.env.ROUNDS);
dist.initProcessGroup();
const big = tf.ones(16 << 20);
const small = tf.ones(1);
const times = (t: tf.Tensor, n: number): number[] =>
  Array.from({ length: n }, () => {
    dist.barrier();
    const start = performance.now();
    dist.allReduce(t, { op: 'max' });
    return performance.now() - start;
  });
times(big, 2);
times(small, 20);
const before = process.cpuUsage();
const large = times(big, rounds);
const { user, system } = process.cpuUsage(before);
const one = times(small, 100);
// Waiting for a rank that is late.
const waited = process.cpuUsage();
if (dist.getRank() === 1) await new Promise((resolve) => setTimeout(resolve, 1000));
dist.barrier();
const idle = process.cpuUsage(waited);
console.log(
  JSON.stringify({
    large,
    small: one,
    processor: (user + system) / 1e6 / rounds,
    waiting: (idle.user + idle.system) / 1e6,
  }),
);
dist.destroyProcessGroup();
