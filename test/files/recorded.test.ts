/** Files that PyTorch 2.15 and 1.13 and NumPy wrote, as scripts/record/checkpoints.py recorded them with what is in them. */
import * as fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe as group, expect, it } from 'vitest';
import { type Tensor, load, loadAsync, loadMetadata, manualSeed, nn, optim, linspace } from '../../lib/index.js';
import { describe } from './describe.js';

const folder = fileURLToPath(new URL('../fixtures/files/', import.meta.url));
const at = (name: string): string => folder + name;
const expected = Object.fromEntries(
  ['expected.json', 'old-expected.json'].flatMap((f) =>
    Object.entries(JSON.parse(fs.readFileSync(at(f), 'utf8')) as Record<string, unknown>),
  ),
);
const names = Object.keys(expected).filter((n) => /\.(pt|npy|npz)$/.test(n) && !/(adam|adamw|sgd|deep)\.pt$/.test(n));

group('what was written comes back', () => {
  it('has all of the files', () => expect(names.length).toBeGreaterThan(30));

  it.each(names)('%s', async (name) => {
    const options = name === 'no-checksums.pt' ? { checksums: false } : {};
    expect(describe(load(at(name), options))).toEqual(expected[name]);
    expect(describe(load(fs.readFileSync(at(name)), options))).toEqual(expected[name]);
    expect(describe(await loadAsync(at(name), options))).toEqual(expected[name]);
    expect(describe(await loadAsync(fs.readFileSync(at(name)), options))).toEqual(expected[name]);
  });

  it.each(['everything.pt', 'everything-legacy.pt', 'old-everything.pt'])('%s: kinds of values', (name) => {
    const all = load<Map<string, Tensor>>(at(name));
    expect(all).toBeInstanceOf(Map); // '10' and '2' come last in it
    expect(all.get('parameter')).toBeInstanceOf(nn.Parameter);
    expect(all.get('parameter')!.requiresGrad).toBe(true);
    expect(all.get('frozen')).toBeInstanceOf(nn.Parameter);
    expect(all.get('frozen')!.requiresGrad).toBe(false);
    expect(all.get('grad')!.requiresGrad).toBe(true);
    expect(all.get('turned')!.stride()).toEqual([1, 3]);
    expect(all.get('expanded')!.stride()).toEqual([1, 0]);
    expect(all.get('zeroDim')!.requiresGrad).toBe(false);
    expect((all.get('nested') as unknown as unknown[])[6]).toBe(2n ** 70n);
    expect(Object.is((all.get('special')!.tolist() as number[])[3], -0)).toBe(true);
  });

  it.each(['shared.pt', 'shared-legacy.pt', 'old-shared.pt'])('%s: tensors share their storage', (name) => {
    const { base, part, again, matrix } = load(at(name));
    base!.fill_(1);
    expect(part!.tolist()).toEqual([1, 1, 1, 1]);
    matrix!.zero_();
    expect(base!.tolist()).toEqual([1, 1, 1, 1, 0, 0, 0, 0, 0, 0]);
    expect(again).toBe(base);
  });
});

group('training goes on where PyTorch left it', () => {
  const kinds = {
    adam: (p: Iterable<Tensor>) => new optim.Adam(p, { lr: 0.5 }),
    adamw: (p: Iterable<Tensor>) => new optim.AdamW(p),
    sgd: (p: Iterable<Tensor>) => new optim.SGD(p, { lr: 0.5 }),
  };
  interface Checkpoint {
    model: Record<string, Tensor>;
    optimizer: optim.OptimizerStateDict;
    epoch: number;
  }
  it.each(['adam.pt', 'adamw.pt', 'sgd.pt', 'old-adam.pt', 'old-adamw.pt', 'old-sgd.pt'])('%s', (name) => {
    manualSeed(5);
    const model = new nn.Sequential(new nn.Linear(3, 4, { bias: false }), new nn.BatchNorm1d(4), new nn.Linear(4, 2));
    const optimizer = kinds[name.replace(/^old-|\.pt$/g, '') as 'adam'](model.parameters());
    const saved = load<Checkpoint>(at(name));
    expect(saved.epoch).toBe(3);
    model.loadStateDict(saved.model);
    optimizer.loadStateDict(saved.optimizer);
    const x = linspace(-1, 1, 24).reshape(8, 3);
    for (let i = 0; i < 3; i++) {
      optimizer.zeroGrad();
      model.forward(x).square().sum().backward();
      optimizer.step();
    }
    const after = expected[name] as Record<string, { tensor: [string, number[], number[]] }>;
    for (const [key, t] of Object.entries(model.stateDict())) {
      const [, , values] = after[key]!.tensor;
      const got = Array.from(t.toTypedArray() as Float32Array, Number);
      values.forEach((v, i) => expect(Math.abs(got[i]! - v), key).toBeLessThan(2e-6 * (1 + Math.abs(v))));
    }
  });
});

group('what can not be read is named, with what to do', () => {
  it.each([
    ['complex.pt', 'a tensor of torch.complex64, which has no dtype here; in Python: torch.view_as_real(t)'],
    ['sparse.pt', 'a sparse tensor; in Python: t.to_dense()'],
    [
      'module.pt',
      'it holds a torch.nn.modules.linear.Linear, which only Python can make; nothing of a file is run here',
    ],
    ['storage.pt', 'it holds a class, a function or a storage as a value'],
    ['quantised.pt', 'it holds a quantised tensor; in Python: t.dequantize()'],
    ['function.pt', 'it holds a builtins.print, which only Python can make'],
    ['uint16.pt', 'a tensor of torch.uint16, which has no dtype here; in Python: t.to(torch.int64)'],
    ['uint32.pt', 'torch.uint32'],
    ['uint64.pt', 'torch.uint64'],
    ['float8_e4m3fn.pt', 'torch.float8_e4m3fn, which has no dtype here; in Python: t.float()'],
    ['negative.pt', 'lazy conjugation or negation (neg); in Python: t.resolve_conj().resolve_neg()'],
    [
      'torchscript.pt',
      'it is a TorchScript module, a program; in Python: torch.save(torch.jit.load(path).state_dict(), other)',
    ],
    ['no-checksums.pt', 'load with { checksums: false }'],
    ['loop.pt', 'it holds a container that contains itself'],
    ['refused-object.npy', "NumPy's object, which only Python can make"],
    ['refused-structured.npy', 'it holds a structured array'],
    ['refused-unicode.npy', "NumPy's unicode (<U2), which is text"],
    ['refused-bytes.npy', "NumPy's bytes (|S2), which is text"],
    ['refused-datetime.npy', "NumPy's datetime64"],
    ['refused-timedelta.npy', "NumPy's timedelta64"],
    ['refused-complex.npy', "NumPy's complex64, which has no dtype here; in Python: save a.real and a.imag"],
    ['refused-uint16.npy', "NumPy's uint16, which has no dtype here; in Python: a.astype(numpy.int64)"],
    ['refused-longdouble.npy', "NumPy's float128"],
  ])('%s', (name, message) => {
    expect(() => load(at(name))).toThrow(message);
    expect(() => load(at(name))).toThrow(/^load: '.*' can't be read: /);
  });

  it('400 levels of lists are read', () => {
    let lists: unknown = load<unknown>(at('deep.pt'));
    let depth = 0;
    for (; Array.isArray(lists); depth++) lists = lists[0] as unknown;
    expect(depth).toBe(401);
  });
});

it('loadMetadata', () => {
  expect(loadMetadata(at('everything.pt'))).toEqual({
    version: '3',
    byteorder: 'little',
    formatVersion: '1',
    storageAlignment: '64',
  });
  expect(loadMetadata(at('old-everything.pt'))).toEqual({ version: '3' });
  expect(loadMetadata(at('everything-legacy.pt'))).toEqual({});
  expect(loadMetadata(at('big.npy'))).toEqual({ version: '1.0', descr: '>f8', fortranOrder: 'false', shape: '(2, 3)' });
  expect(loadMetadata(at('deflated.npz'))).toEqual({ x: '<f8 (2, 3)', 10: '<i8 (3,)', 2: '<f4 (0,)', big: '>i4 (3,)' });
});
