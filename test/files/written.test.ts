/** What save() writes: the bytes that PyTorch and NumPy have read (scripts/record/written_files.py), and what it refuses. */
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe as group, expect, it } from 'vitest';
import {
  type Tensor,
  TenfoldError,
  arange,
  load,
  loadMetadata,
  nn,
  type optim,
  save,
  saveAsync,
  tensor,
  toBytes,
  zeros,
} from '../../lib/index.js';
import { describe } from './describe.js';
import { trained, written } from './written.js';

const folder = fs.mkdtempSync(join(tmpdir(), 'tenfold-files-'));
afterAll(() => fs.rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);
const recorded = JSON.parse(
  fs.readFileSync(fileURLToPath(new URL('../fixtures/files/written.json', import.meta.url)), 'utf8'),
) as { sha256: Record<string, string> };
const files = written();

group('the bytes that Python has read', () => {
  it('are of all files', () => expect(Object.keys(files).sort()).toEqual(Object.keys(recorded.sha256).sort()));
  // Values after training steps differ in the last digit between instruction sets; those of others don't.
  const fixed = Object.keys(files).filter((name) => !/^(Adam|AdamW|SGD)/.test(name));
  it.each(fixed)('%s', (name) => {
    expect(createHash('sha256').update(files[name]!).digest('hex')).toBe(recorded.sha256[name]);
  });
});

group('what was saved comes back', () => {
  it('values', () => {
    const back = load<Record<string, unknown>>(files['values.pt']!);
    expect(Object.keys(back)[0]).toBe('3');
    expect(describe(back.numbers)).toEqual({
      list: [0, 255, 256, -1, 2 ** 31, -(2 ** 40), 1.5, 'NaN', 'Infinity', -0, 12, -129, `${2n ** 70n}n`, true, null],
    });
    expect(back.text).toEqual(['', 'Grüße 🙂', 'again', 'again']);
    expect(back.bytes).toEqual(new Uint8Array([0, 255, 97]));
    expect(back.set).toEqual(new Set([1, 3]));
    expect(back.map).toEqual(
      new Map<unknown, unknown>([
        [0, 'a'],
        ['b', [1, [2]]],
        [null, true],
      ]),
    );
    expect(back.parameter).toBeInstanceOf(nn.Parameter);
    expect((back.frozen as Tensor).requiresGrad).toBe(false);
    expect((back.grad as Tensor).requiresGrad).toBe(true);
    expect((back.turned as Tensor).stride()).toEqual([1, 3]);
    expect((back.expanded as Tensor).tolist()).toEqual([
      [1, 1, 1, 1],
      [2, 2, 2, 2],
    ]);
  });

  it('shared storages', () => {
    const { base, part, again } = load(files['shared.pt']!);
    part!.zero_();
    expect(base!.tolist()).toEqual([0, 1, 0, 0, 0, 0, 6, 7, 8, 9]);
    expect(again).toBe(base);
  });

  it.each(['Adam', 'AdamW', 'SGD'] as const)('%s goes on', (kind) => {
    const { model, optimizer, step } = trained(kind);
    save(at('c.pt'), { model: model.stateDict(), optimizer: optimizer.stateDict() });
    const other = trained(kind);
    for (let i = 0; i < 5; i++) other.step();
    const back = load<{ model: Record<string, Tensor>; optimizer: optim.OptimizerStateDict }>(at('c.pt'));
    expect(back.optimizer.state).toBeInstanceOf(Map);
    other.model.loadStateDict(back.model);
    other.optimizer.loadStateDict(back.optimizer);
    for (let i = 0; i < 3; i++) [step, other.step].forEach((run) => run());
    expect(describe(other.model.stateDict())).toEqual(describe(model.stateDict()));
  });

  it('by extension, by format, in either order of arguments, asynchronously', async () => {
    const w = arange(4).to('float32');
    for (const name of ['a.pt', 'a.pth', 'a.bin', 'a.ckpt', 'a.npz', 'a.safetensors', 'a.other']) {
      save({ w }, at(name));
      expect(describe(load(at(name))), name).toEqual(describe({ w }));
      await saveAsync(at(name), { w });
      expect(describe(load(at(name))), name).toEqual(describe({ w }));
    }
    expect(fs.readFileSync(at('a.pt')).subarray(0, 4).toString()).toBe('PK\x03\x04');
    save(w, at('a.npy'));
    expect(describe(load(at('a.npy')))).toEqual(describe(w));
    save(at('a.pt'), { w }, { format: 'safetensors' });
    expect(fs.readFileSync(at('a.pt'))[8]).toBe(0x7b);
    expect(describe(load(at('a.pt')))).toEqual(describe({ w }));
    save('text alone', at('text.pt'));
    expect(load(at('text.pt'))).toBe('text alone');
  });

  it('values at the time of the call', async () => {
    for (const name of ['t.pt', 't.npz', 't.npy']) {
      const w = zeros(1000);
      const done = saveAsync(name === 't.npy' ? w : { w }, at(name));
      w.add_(1);
      await done;
      const back = load<{ w: Tensor } & Tensor>(at(name));
      expect((name === 't.npy' ? back : back.w).sum().item()).toBe(0);
    }
  });

  it('metadata', () => {
    save({ w: zeros(1) }, at('m.pt'), { metadata: { epoch: '12', note: 'Grüße' } });
    expect(loadMetadata(at('m.pt'))).toMatchObject({ epoch: '12', note: 'Grüße', version: '3' });
  });

  it('a state dict whose names JavaScript would sort', () => {
    const value = new Map([
      ['b', zeros(1)],
      ['1', zeros(2)],
      ['0', zeros(3)],
    ]);
    for (const name of ['k.pt', 'k.npz']) {
      save(value, at(name));
      expect([...load<Map<string, Tensor>>(at(name)).keys()]).toEqual(['b', '1', '0']);
    }
    save({ ['__proto__']: zeros(1), constructor: zeros(2) }, at('p.pt'));
    const back = load(at('p.pt'));
    expect(Object.keys(back)).toEqual(['__proto__', 'constructor']);
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype);
  });
});

it('a checkpoint with 70,000 storages has zip64 records', () => {
  const list = Array.from({ length: 70_000 }, (_, i) => tensor([i]));
  const back = load<Tensor[]>(toBytes(list, { format: 'pt' }));
  expect(back.length).toBe(70_000);
  expect(back[69_999]!.item()).toBe(69_999);
});

group('what is refused at save', () => {
  const loop: unknown[] = [];
  loop.push(loop);
  it.each<[string, () => unknown, unknown, string]>([
    ['a date', () => save({ d: new Date(0) }, at('x.pt')), TypeError, "save: d is a Date, which can't be saved"],
    [
      'a function',
      () => save({ a: [() => 1] }, at('x.pt')),
      TypeError,
      "save: a.0 is a function, which can't be saved",
    ],
    ['itself', () => save(loop, at('x.pt')), TenfoldError, 'in itself'],
    ['keys', () => save(new Map([[[1], 2]]), at('x.pt')), TypeError, 'has [1] as a key; keys are strings or numbers'],
    ['half a character', () => save(['\ud800'], at('x.pt')), TypeError, 'has half a character'],
    [
      'a record as .npy',
      () => save({ a: zeros(1) }, at('x.npy')),
      TypeError,
      'the value of a .npy file must be a tensor',
    ],
    ['a number in .npz', () => save({ a: 1 }, at('x.npz')), TypeError, "array 'a' must be a tensor, got 1"],
    ['a list as .npz', () => save([zeros(1)], at('x.npz')), TypeError, 'a .npz file holds tensors by name'],
    ['bfloat16', () => save(zeros(1).to('bfloat16'), at('x.npy')), TenfoldError, 'NumPy has no bfloat16'],
    ['notes', () => save(zeros(1), at('x.npy'), { metadata: { a: 'b' } }), TypeError, 'no place for metadata'],
    [
      'a format',
      () => save(zeros(1), at('x'), { format: 'numpy' as 'npy' }),
      TypeError,
      "save: unknown format 'numpy' (one of safetensors, pt, npy, npz)",
    ],
    ['a path', () => save({}, 7 as unknown as string), TypeError, 'save: expected a path, got 7'],
  ])('%s', (_, call, type, message) => {
    expect(call).toThrow(type as ErrorConstructor);
    expect(call).toThrow(message);
    expect(fs.readdirSync(folder).filter((f) => f.startsWith('x'))).toEqual([]);
  });
});
