/**
 * What the tests of the writers write. Run as a program it writes the files into a folder, for scripts/record/written_files.py
 * to read them with PyTorch and NumPy: `node --import tsx test/files/written.ts FOLDER`.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Tensor, arange, linspace, nn, optim, tensor, toBytes, zeros } from '../../lib/index.js';
import { DTYPES } from '../../lib/dtype.js';

const dtypes = (): Record<string, Tensor> =>
  Object.fromEntries(DTYPES.map((dtype) => [dtype, tensor([0, 1, 2, 3, 120, 7]).to(dtype).reshape(2, 3)]));

/** A small model after three steps on fixed data, with what carries its training on. */
export function trained(kind: 'Adam' | 'AdamW' | 'SGD'): {
  model: nn.Sequential;
  optimizer: optim.Optimizer;
  step: () => void;
} {
  const model = new nn.Sequential(new nn.Linear(3, 4), new nn.Tanh(), new nn.Linear(4, 2));
  let at = 0;
  for (const p of model.parameters())
    p.data = linspace(-1, 1, p.numel())
      .add(0.1 * at++)
      .reshape([...p.shape]);
  const make = {
    Adam: () => new optim.Adam(model.parameters(), { lr: 0.01, betas: [0.8, 0.99] }),
    AdamW: () => new optim.AdamW(model.parameters(), { lr: 0.02, weightDecay: 0.1, amsgrad: true }),
    SGD: () => new optim.SGD(model.parameters(), { lr: 0.01, momentum: 0.9, nesterov: true }),
  };
  const optimizer: optim.Optimizer = make[kind]();
  const x = linspace(-1, 1, 24).reshape(8, 3);
  const step = (): void => {
    optimizer.zeroGrad();
    model.forward(x).square().sum().backward();
    optimizer.step();
  };
  for (let i = 0; i < 3; i++) step();
  return { model, optimizer, step };
}

/** Files by name. */
export function written(): Record<string, Uint8Array> {
  const base = arange(10).to('float32');
  const files: Record<string, Uint8Array> = {};
  const pt = (name: string, value: unknown): void => void (files[`${name}.pt`] = toBytes(value, { format: 'pt' }));
  pt('values', {
    dtypes: dtypes(),
    numbers: [0, 255, 256, -1, 2 ** 31, -(2 ** 40), 1.5, NaN, Infinity, -0, 12n, -129n, 2n ** 70n, true, null],
    text: ['', 'Grüße 🙂', 'again', 'again'],
    bytes: new Uint8Array([0, 255, 97]),
    set: new Set([1, 3]),
    map: new Map<unknown, unknown>([
      [0, 'a'],
      ['b', [1, [2]]],
      [null, true],
    ]),
    '3': 'index-like',
    empty: { list: [], dict: {}, tensor: zeros(0, 3), zeroDim: tensor(5.5) },
    parameter: new nn.Parameter(tensor([1, 2])),
    frozen: new nn.Parameter(tensor([3]), false),
    grad: tensor([4], { requiresGrad: true }),
    turned: arange(6).reshape(2, 3).t(),
    expanded: tensor([[1], [2]]).expand(2, 4),
    typed: new Float64Array([1, 2.5]),
  });
  pt('shared', { base, part: base.slice(0, 2, 6), again: base, matrix: base.slice(0, 4).view(2, 3) });
  pt('tensor', arange(3));
  for (const kind of ['Adam', 'AdamW', 'SGD'] as const) {
    const { model, optimizer, step } = trained(kind);
    const checkpoint = { model: model.stateDict(), optimizer: optimizer.stateDict(), epoch: 3 };
    files[`${kind}.pt`] = toBytes(checkpoint, { format: 'pt', metadata: { note: 'after three steps' } });
    for (let i = 0; i < 3; i++) step();
    pt(`${kind}-after`, model.stateDict());
  }
  const arrays = Object.fromEntries(Object.entries(dtypes()).filter(([dtype]) => dtype !== 'bfloat16'));
  for (const [dtype, t] of Object.entries({
    ...arrays,
    zeroDim: tensor(7),
    empty: zeros(0, 3),
    turned: arange(6).reshape(2, 3).t(),
  }))
    files[`${dtype}.npy`] = toBytes(t, { format: 'npy' });
  files['arrays.npz'] = toBytes(arrays, { format: 'npz' });
  files['no-arrays.npz'] = toBytes({}, { format: 'npz' });
  files['plain.safetensors'] = toBytes(dtypes(), { metadata: { note: 'Grüße' } });
  return files;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = process.argv[2]!;
  mkdirSync(folder, { recursive: true });
  for (const [name, bytes] of Object.entries(written())) writeFileSync(join(folder, name), bytes);
}
