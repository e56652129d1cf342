/** A rank of Tenfold's in a group with PyTorch's: what rank.py does, line by line. */
import * as tf from '../../../lib/index.js';
import * as dist from '../../../lib/distributed/index.js';

const rank = Number(process.env.RANK);
const world = Number(process.env.WORLD_SIZE);
dist.initProcessGroup({ backend: 'gloo', timeout: 1000 * Number(process.env.SECONDS_AT_MOST) });

const tell = (what: string, tensor: tf.Tensor): void =>
  console.log(JSON.stringify([what, tensor.to('float64').flatten().tolist()]));
const values = (dtype: tf.DType): tf.Tensor => tf.arange(5).add(rank).to(dtype);
const nothing = tf.zeros(0);
const last = world - 1;

for (const dtype of ['float32', 'float64', 'float16', 'int64', 'int32', 'uint8', 'int8'] as const) {
  for (const op of ['SUM', 'PRODUCT', 'MIN', 'MAX'] as const) {
    const t = values(dtype);
    dist.allReduce(t, dist.ReduceOp[op]);
    tell(`allReduce ${op} ${dtype}`, t);
  }
  const rooms = (): tf.Tensor[] => Array.from({ length: world }, () => tf.zeros(5, { dtype }));
  const sent = values(dtype);
  dist.broadcast(sent, last);
  tell(`broadcast ${dtype}`, sent);
  const all = rooms();
  dist.allGather(all, values(dtype));
  tell(`allGather ${dtype}`, tf.stack(all));
  const one = values(dtype);
  dist.reduce(one, 0);
  tell(`reduce ${dtype}`, rank === 0 ? one : nothing);
  const gathered = rank === 0 ? rooms() : null;
  dist.gather(values(dtype), gathered, 0);
  tell(`gather ${dtype}`, gathered ? tf.stack(gathered) : nothing);
  const part = tf.zeros(5, { dtype });
  dist.scatter(part, rank === 0 ? rooms().map((_, i) => values(dtype).mul(i)) : null, 0);
  tell(`scatter ${dtype}`, part);
  const turned = tf.zeros(5 * world, { dtype });
  dist.allToAllSingle(turned, values(dtype).repeat([world]));
  tell(`allToAllSingle ${dtype}`, turned);
  const t = tf.zeros(5, { dtype });
  if (rank === 0) {
    dist.send(values(dtype), last, { tag: 4 });
    dist.recv(t, last, { tag: 5 });
  } else if (rank === last) {
    dist.recv(t, 0, { tag: 4 });
    dist.send(values(dtype), 0, { tag: 5 });
  }
  tell(`send and recv ${dtype}`, t);
}

const big = tf.linspace(-1, 1, 1_000_003).mul(rank + 1);
dist.allReduce(big);
const places = [0, 500_001, 1_000_002].map((i) => big.select(0, i).to('float64'));
tell('allReduce of a million', tf.stack([...places, big.to('float64').sum()]));
const group = dist.newGroup([0, last]);
const t = values('float32');
dist.allReduce(t, { group: group as dist.ProcessGroup });
tell('allReduce in a group', typeof group === 'number' ? nothing : t);
dist.barrier();
dist.destroyProcessGroup();
