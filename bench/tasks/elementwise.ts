/** One elementwise op on n numbers, and a chain of them forward and backward. */
import { nn, noGrad, type Tensor } from 'tenfold';
import { fill } from '../inputs.js';
import { SIZES } from '../numbers.js';
import { meanAbs, type Subject, type Tasks } from '../task.js';

export const OPS: Record<string, (x: Tensor, y: Tensor) => Tensor> = {
  add: (x, y) => x.add(y),
  mul: (x, y) => x.mul(y),
  relu: (x) => x.relu(),
  exp: (x) => x.exp(),
  tanh: (x) => x.tanh(),
  sigmoid: (x) => x.sigmoid(),
  gelu: (x) => nn.functional.gelu(x),
};

export const mean = (t: Tensor): number => meanAbs(t.toTypedArray() as Float32Array);

function single(op: string, n: number): Subject {
  const x = fill(101, [n], 3);
  const y = op === 'add' || op === 'mul' ? fill(102, [n], 3) : x;
  const f = OPS[op]!;
  return { step: () => f(x, y), check: () => ({ y: noGrad(() => mean(f(x, y))) }), forwardOnly: true };
}

function chain(train: boolean): Subject {
  const n = SIZES['1m']!;
  const x = fill(101, [n], 2);
  const a = fill(102, [n]);
  const b = fill(103, [n]);
  const g = fill(104, [n]);
  const f = (): Tensor => x.mul(a).add(b).tanh().mul(x.sigmoid()).add(x.pow(2).mul(0.5));
  if (!train) return { step: f, check: () => ({ y: noGrad(() => mean(f())) }), forwardOnly: true };
  const inputs = [x, a, b];
  for (const t of inputs) t.requiresGrad_();
  const step = (): Tensor => {
    for (const t of inputs) t.grad = null;
    const y = f();
    y.backward(g);
    return y;
  };
  return {
    step,
    check: () => ({ y: mean(step().detach()), dx: mean(x.grad!), da: mean(a.grad!), db: mean(b.grad!) }),
  };
}

export const elementwise: Tasks = {
  'chain.fwd': () => chain(false),
  'chain.fwdbwd': () => chain(true),
};
for (const op of Object.keys(OPS)) {
  for (const size of Object.keys(SIZES)) elementwise[`elementwise.${op}.${size}`] = () => single(op, SIZES[size]!);
}
