/**
 * Factorizations, solves and singular values beside PyTorch: one thread each, best of many, in turns.
 *
 *   npx tsx bench/linalg.ts [python]
 *
 * Prints microseconds and Tenfold's time as a share of PyTorch's.
 */
import { execFileSync } from 'node:child_process';
import * as tf from '../lib/index.js';

const CASES = [
  { batch: 1000, n: 4 },
  { batch: 1, n: 64 },
  { batch: 1, n: 256 },
  { batch: 1, n: 512 },
  { batch: 1, n: 1024 },
];
const CALLS = ['det', 'inv', 'solve', 'solve vector', 'cholesky', 'solveTriangular', 'svdvals', 'svd'] as const;
const SECONDS = 0.2;

type Times = Record<string, number>;

function ours(dtype: 'float32' | 'float64', batch: number, n: number): Times {
  const a = tf.randn([batch, n, n], { dtype });
  const b = tf.randn([batch, n, n], { dtype });
  const v = tf.randn([batch, n], { dtype });
  const p = a.matmul(a.mT).add(tf.eye(n, { dtype }).mul(n));
  const calls: Record<(typeof CALLS)[number], () => unknown> = {
    det: () => tf.linalg.det(a),
    inv: () => tf.linalg.inv(a),
    solve: () => tf.linalg.solve(a, b),
    'solve vector': () => tf.linalg.solve(a, v),
    cholesky: () => tf.linalg.cholesky(p),
    solveTriangular: () => tf.linalg.solveTriangular(p, b, { upper: true }),
    svdvals: () => tf.linalg.svdvals(a),
    svd: () => tf.linalg.svd(a),
  };
  const best = (f: () => unknown): number => {
    let least = Infinity;
    const start = performance.now();
    for (let i = 0; i < 3 || performance.now() - start < SECONDS * 1e3; i++) {
      const t = performance.now();
      f();
      least = Math.min(least, performance.now() - t);
    }
    return least * 1e3;
  };
  return Object.fromEntries(CALLS.map((name) => [name, best(calls[name])]));
}

const SCRIPT = `
import json, sys, time, torch
dtype, batch, n, seconds = getattr(torch, sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
torch.set_num_threads(1)
a, b, v = (torch.randn(batch, n, *rest, dtype=dtype) for rest in ([n], [n], []))
p = a @ a.mT + n * torch.eye(n, dtype=dtype)
L = torch.linalg
def best(f):
    least, start, i = float('inf'), time.perf_counter(), 0
    while i < 3 or time.perf_counter() - start < seconds:
        t = time.perf_counter()
        f()
        least, i = min(least, time.perf_counter() - t), i + 1
    return least * 1e6
print(json.dumps([best(f) for f in (
    lambda: L.det(a), lambda: L.inv(a), lambda: L.solve(a, b), lambda: L.solve(a, v), lambda: L.cholesky(p),
    lambda: L.solve_triangular(p, b, upper=True), lambda: L.svdvals(a), lambda: L.svd(a))]))
`;
function theirs(python: string, dtype: string, batch: number, n: number): Times {
  const out = execFileSync(python, ['-c', SCRIPT, dtype, String(batch), String(n), String(SECONDS)], {
    env: { ...process.env, OPENBLAS_NUM_THREADS: '1', MKL_NUM_THREADS: '1', OMP_NUM_THREADS: '1' },
    encoding: 'utf8',
  });
  return Object.fromEntries((JSON.parse(out) as number[]).map((t, i) => [CALLS[i], t]));
}

tf.manualSeed(0);
tf.setNumThreads(1);
for (const dtype of ['float32', 'float64'] as const) {
  for (const { batch, n } of CASES) {
    const [own, other] = [ours(dtype, batch, n), theirs(process.argv[2] ?? 'python3', dtype, batch, n)];
    for (const call of CALLS) {
      const [x, y] = [own[call]!, other[call]!];
      console.log(
        `${dtype} ${batch} x ${n} ${call.padEnd(16)} ${x.toFixed(1).padStart(9)} ${y.toFixed(1).padStart(9)}  ${(x / y).toFixed(2)}`,
      );
    }
  }
}
