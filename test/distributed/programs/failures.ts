/** A rank that does what it is told by lines on its standard input, and tells what came of it: the error, and how long it took. */
import { createInterface } from 'node:readline';
import * as tf from '../../../lib/index.js';
import * as dist from '../../../lib/distributed/index.js';

const rank = Number(process.env.RANK);
const worldSize = Number(process.env.WORLD_SIZE);
const tell = (what: unknown): void => console.log(JSON.stringify(what));

let group: dist.ProcessGroup;
const all = (options: object = {}): dist.ProcessGroup => dist.newGroup(options) as dist.ProcessGroup;
const like = (shape: number[], dtype: tf.DType = 'float32'): tf.Tensor => tf.ones(shape, { dtype });

const ACTS: Record<string, (...words: string[]) => void> = {
  /** A new group, for those that a failure ends. */
  prepare: () => void (group = all()),
  call: (timeout) => void dist.allReduce(like([1000]), { group, timeout: Number(timeout) }),
  big: (timeout) => void dist.allReduce(like([4_000_000]), { group, timeout: Number(timeout) }),
  barrier: (timeout) => dist.monitoredBarrier({ group, timeout: Number(timeout), waitAllRanks: true }),
  recv: (timeout) => void dist.recv(like([3]), { src: 2, group, timeout: Number(timeout) }),
  ops: () => void (rank === 0 ? dist.allReduce(like([3]), { group }) : dist.broadcast(like([3]), 0, group)),
  sizes: () => void dist.allReduce(like([3 + rank]), { group }),
  dtypes: () => void dist.allReduce(like([3], rank === 0 ? 'float32' : 'int32'), { group }),
  reductions: () => void dist.allReduce(like([3]), { op: rank === 0 ? 'sum' : 'max', group }),
  messages: () => {
    if (rank === 0) dist.send(like([3]), 1, group);
    if (rank === 1) dist.recv(like([3], 'float64'), 0, group);
  },
  group: (timeout) => void all({ timeout: Number(timeout) }),
  again: (file, size) => {
    dist.destroyProcessGroup();
    dist.initProcessGroup('gloo', `file://${file!}`, { rank, worldSize: Number(size), timeout: 5000 });
    const t = tf.tensor([rank + 1]);
    dist.allReduce(t);
    if (t.item() !== 3) throw new Error(`the sum is ${t.item() as number}`);
  },
  end: () => process.exit(0),
};

const store = process.env.STORE_PORT
  ? new dist.TCPStore('127.0.0.1', Number(process.env.STORE_PORT), { timeout: 5000 })
  : null;
const where = store ? { store } : { initMethod: process.env.MEETING! };
dist.initProcessGroup({ backend: 'gloo', ...where, rank, worldSize, timeout: 20_000 });
group = all();
tell('ready');

createInterface({ input: process.stdin }).on('line', (line) => {
  const [name, ...words] = line.split(' ') as [string, ...string[]];
  tell(name);
  const start = performance.now();
  let error = '';
  let code: unknown;
  try {
    ACTS[name]!(...words);
  } catch (thrown) {
    error = (thrown as Error).message;
    ({ code } = thrown as { code?: unknown });
  }
  tell({ error, code, ms: performance.now() - start });
});
