/** onnx.load: what a model becomes, how it is run and trained, and what is refused. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';
import { nn, onnx, optim, tensor, type Tensor } from '../../lib/index.js';
import { watched, type OpRecord } from '../../lib/op/define.js';
import type { TensorMessage } from '../../lib/onnx/messages.js';
import { graph, model, node, type Parts } from './model.js';

const folder = mkdtempSync(join(tmpdir(), 'tenfold-onnx-'));
afterAll(() => rmSync(folder, { recursive: true }));
const int64 = (...list: number[]): Tensor => tensor(list, { dtype: 'int64' });
const run = (parts: Parts, feeds: Record<string, Tensor> = {}): Tensor =>
  Object.values(onnx.load(model(parts)).run(feeds))[0] as Tensor;

describe('a loaded model', () => {
  const parts: Parts = {
    nodes: [
      node('c = Constant()', {
        value: tensor([
          [1, 2],
          [3, 4],
        ]),
      }),
      node('eps = Constant()', { value: tensor(0.5) }),
      node('h = MatMul(x, layer.0.weight)'),
      node('n = BatchNormalization(h, s, b, mean, var)'),
      node('k = MatMul(n, c)'),
      node('y = Add(k, eps)'),
    ],
    inputs: ['x: float32[n, 2]'],
    outputs: ['y: float32[n, 2]'],
    weights: {
      'layer.0.weight': tf.eye(2), s: tf.ones(2), b: tf.zeros(2), mean: tf.zeros(2), var: tf.ones(2), '10': int64(3),
    }, // prettier-ignore
  };

  it('has its weights as parameters under their names, settings as buffers, and nothing else in the state dict', () => {
    const m = onnx.load(model(parts));
    expect(m).toBeInstanceOf(nn.Module);
    expect(m.namedParameters().map(([name]) => name)).toEqual(['layer.0.weight', 's', 'b', 'c']);
    expect(m.namedBuffers().map(([name]) => name)).toEqual(['mean', 'var']);
    expect(Object.keys(m.stateDict())).toEqual(['layer.0.weight', 's', 'b', 'c', 'mean', 'var']);
    expect(m.parameters().every((p) => p.requiresGrad)).toBe(true);
    expect(m.inputs).toEqual([{ name: 'x', dtype: 'float32', shape: [null, 2], kind: 'tensor' }]);
    expect(m.outputs).toEqual([{ name: 'y', dtype: 'float32', shape: [null, 2], kind: 'tensor' }]);
    expect(String(m)).toBe('OnnxModule(x: float32[?, 2] -> y: float32[?, 2])');
    const y = m.forward(tensor([[1, 1]])) as Tensor;
    expect(tf.allclose(y, tensor([[4.5, 6.5]]), { rtol: 1e-4 })).toBe(true);
  });

  it('is copied by clone, converted by to, and follows loadStateDict', () => {
    const m = onnx.load(model(parts));
    const copy = m.clone();
    copy.loadStateDict({ ...copy.stateDict(), 'layer.0.weight': tf.zeros(2, 2) });
    const x = tensor([[1, 1]]);
    expect((copy.forward(x) as Tensor).tolist()).toEqual([[0.5, 0.5]]);
    expect((m.forward(x) as Tensor).tolist()).not.toEqual([[0.5, 0.5]]);
    expect(m.double().getParameter('c').dtype).toBe('float64');
  });

  it('learns: an optimizer’s steps change what it computes', () => {
    tf.manualSeed(0);
    const source = new nn.Sequential(new nn.Linear(4, 8), new nn.ReLU(), new nn.Linear(8, 3));
    const m = onnx.load(onnx.export(source, tf.randn(2, 4), null, { dynamicAxes: { input: [0] } }));
    const x = tf.randn(16, 4);
    const target = tf.randint(3, [16]);
    const last = m.namedParameters().filter(([name]) => name.startsWith('2.'));
    m.requiresGrad_(false);
    for (const [, p] of last) p.requiresGrad_();
    const optimizer = new optim.SGD(last.map(([, p]) => p), { lr: 0.5 }); // prettier-ignore
    const frozen = m.getParameter('0.weight').clone();
    const losses: number[] = [];
    for (let step = 0; step < 30; step++) {
      optimizer.zeroGrad();
      const loss = nn.functional.crossEntropy(m.forward(x) as Tensor, target);
      loss.backward();
      optimizer.step();
      losses.push(loss.item<number>());
    }
    expect(losses.at(-1)!).toBeLessThan(0.8 * losses[0]!);
    expect(m.getParameter('0.weight').equal(frozen)).toBe(true);
    source.loadStateDict(m.stateDict());
    expect(tf.allclose(source.forward(x) as Tensor, m.forward(x) as Tensor)).toBe(true);
    const again = onnx.load(onnx.export(m, x, null));
    expect((again.forward(x) as Tensor).equal(m.forward(x) as Tensor)).toBe(true);
  });

  it('names what is wrong with a call', () => {
    const m = onnx.load(model(parts));
    const x = tf.ones(1, 2);
    expect(() => m.run({})).toThrow(/onnx: the input 'x' is missing; inputs: x/);
    expect(() => m.run({ X: x })).toThrow(/no input 'X', did you mean 'x'/);
    expect(() => m.run(x as never)).toThrow(/run takes an object of tensors by name, got a Tensor/);
    expect(() => m.run({ x: 3 as never })).toThrow(/'x' must be a tensor, got 3/);
    expect(() => m.run({ x: x.double() })).toThrow(/'x' must be float32, got float64; use \.to\('float32'\)/);
    expect(() => m.run({ x: tf.ones(1, 3) })).toThrow(/'x' must have the shape \[any, 2\], got \[1, 3\]/);
    expect(() => m.forward()).toThrow(/takes 1 inputs, got 0/);
    expect(() => m.forward(x, x)).toThrow(/takes 1 inputs, got 2/);
    const bad = { ...parts, nodes: [node('y = MatMul(x, s)'), node('z = Add(y, mean)')], inputs: ['x: float32'] };
    expect(() => run({ ...bad, outputs: ['z'] }, { x: tf.ones(1, 3) })).toThrow(/^onnx: MatMul 'y': matmul: .*3.*2/);
  });

  it('takes initializers of inputs for what is left out', () => {
    const preset: Parts = { nodes: [node('y = Add(x, w)')], inputs: ['x: float32', 'w: float32[1]'], outputs: ['y'], weights: { w: tensor([2]) }, irVersion: 3 }; // prettier-ignore
    expect(run(preset, { x: tensor([1]) }).tolist()).toEqual([3]);
    expect(run(preset, { x: tensor([1]), w: tensor([5]) }).tolist()).toEqual([6]);
    expect(onnx.load(model(preset)).inputs.map(({ name }) => name)).toEqual(['x']);
  });

  it('computes shapes as plain numbers', () => {
    const shapes: Parts = {
      nodes: [
        node('s = Shape(x)'), node('b = Gather(s, zero)'), node('u = Unsqueeze(b, axis)'), node('c = Concat(u, rest)', { axis: 0 }),
        node('d = Mul(c, one)'), node('y = Reshape(x, d)'),
      ], // prettier-ignore
      inputs: ['x: float32'],
      outputs: ['y'],
      weights: { zero: tensor(0, { dtype: 'int64' }), axis: int64(0), rest: int64(-1), one: int64(1) },
    };
    const m = onnx.load(model(shapes));
    const seen: string[] = [];
    const by = {
      run: (op: OpRecord, args: unknown[]): unknown => (seen.push(op.sig.name), op.run(args)),
      inplace: (op: OpRecord, args: unknown[]): Tensor => op.callInplace(args),
    };
    const y = watched(by, () => m.forward(tf.ones(2, 3, 4))) as Tensor;
    expect([y.shape, seen]).toEqual([[2, 12], ['reshape']]);
  });
});

describe('subgraphs and functions', () => {
  it('read the values around them', () => {
    const branch = (line: string): ReturnType<typeof graph> => graph({ nodes: [node(line)], outputs: ['r'] });
    const parts: Parts = {
      nodes: [node('y = If(c)', { then_branch: branch('r = Add(x, w)'), else_branch: branch('r = Mul(x, w)') })],
      inputs: ['c: bool[]', 'x: float32[]'],
      outputs: ['y'],
      weights: { w: tensor(3) },
    };
    const m = onnx.load(model(parts));
    expect(m.namedParameters().map(([name]) => name)).toEqual(['w']);
    const out = (c: boolean): unknown => (m.forward(tensor(c), tensor(5)) as Tensor).item();
    expect([out(true), out(false)]).toEqual([8, 15]);
    const loss = m.forward(tensor(false), tensor(5)) as Tensor;
    loss.backward();
    expect(m.getParameter('w').grad!.item()).toBe(5);
  });

  it('loop, carry and collect', () => {
    const body = graph({
      nodes: [node('next = Mul(v, w)'), node('on = Less(next, limit)'), node('each = Identity(next)')],
      inputs: ['i: int64[]', 'cond: bool[]', 'v: float32[]'],
      outputs: ['on', 'next', 'each'],
      weights: { limit: tensor(20) },
    });
    const parts: Parts = { nodes: [node('last, all = Loop(m, , x)', { body })], inputs: ['x: float32[]'], outputs: ['last', 'all'], weights: { w: tensor(2), m: tensor(10, { dtype: 'int64' }) } }; // prettier-ignore
    const [last, all] = onnx.load(model(parts)).forward(tensor(1)) as [Tensor, Tensor];
    expect([last.item(), all.tolist()]).toEqual([32, [2, 4, 8, 16, 32]]);
  });

  const scale = {
    name: 'Scale', domain: 'own', inputs: ['x'], outputs: ['y'], attributes: ['by'],
    nodes: [node('c = Constant()', { value_float: { reference: 'by', type: 1 } }), node('y = Mul(x, c)')],
    opsets: [{ domain: '', version: 18 }],
  }; // prettier-ignore
  it('of the model take attributes', () => {
    const twice = { name: 'Twice', domain: 'own', inputs: ['x'], outputs: ['y'], nodes: [node('h = own:Scale(x)', { by: 2.5 }), node('y = own:Scale(h)', { by: 2.5 })], opsets: [{ domain: '', version: 18 }, { domain: 'own', version: 1 }] }; // prettier-ignore
    const parts: Parts = { nodes: [node('y = own:Twice(x)')], inputs: ['x: float32[]'], outputs: ['y'], functions: [scale, twice], opsets: [{ domain: 'own', version: 1 }] }; // prettier-ignore
    expect(run(parts, { x: tensor(4) }).item()).toBe(25);
  });

  it('that call themselves, or grow without end, are refused at once', () => {
    const f = (name: string, lines: string[]) => ({ name, domain: 'own', inputs: ['x'], outputs: ['y'], nodes: lines.map((line) => node(line)), opsets: [{ domain: '', version: 18 }] }); // prettier-ignore
    const parts = (functions: Parts['functions']): Parts => ({ nodes: [node('y = own:F0(x)')], inputs: ['x: float32'], outputs: ['y'], functions: functions! }); // prettier-ignore
    expect(() => run(parts([f('F0', ['y = own:F0(x)'])]))).toThrow(/nested deeper than 64/);
    const many = Array.from({ length: 40 }, (_, i) => f(`F${i}`, i === 39 ? ['y = Neg(x)'] : [`h = own:F${i + 1}(x)`, `y = own:F${i + 1}(h)`])); // prettier-ignore
    expect(() => run(parts(many))).toThrow(/more than 100000 nodes/);
  });
});

describe('onnx.load refuses', () => {
  const ok: Parts = { nodes: [node('y = Neg(x)')], inputs: ['x: float32'], outputs: ['y'] };
  const refused = (parts: Partial<Parts>, why: RegExp): void =>
    expect(() => onnx.load(model({ ...ok, ...parts }))).toThrow(why);

  it('operators that it doesn’t know, all in one list', () => {
    const body = graph({ nodes: [node('r = Inner(x)')], outputs: ['r'] });
    const nodes = [
      node('a = Foo(x)'),
      node('b = com.acme:Bar(a)'),
      node('c = Foo(b)'),
      node('y = If(q)', { then_branch: body, else_branch: body }),
    ];
    refused(
      { nodes, inputs: ['x: float32', 'q: bool'] },
      /not implemented: Foo \(2 nodes\), Inner \(2 nodes\), com\.acme\.Bar; docs\/onnx\.md lists/,
    );
  });
  it('attributes, inputs and names that don’t fit', () => {
    refused(
      { nodes: [node('y = Softmax(x)', { axes: 1 })] },
      /Softmax 'y' has the attribute 'axes', which Softmax doesn't have, did you mean 'axis'/,
    );
    refused(
      { nodes: [node('y = Softmax(x)', { axis: 'last' })] },
      /the attribute 'axis' of Softmax 'y' is not of type int/,
    );
    refused({ nodes: [node('y = Concat(x)')] }, /Concat 'y' lacks the attribute 'axis'/);
    refused({ nodes: [node('y = Neg(x, x)')] }, /Neg 'y' has 2 inputs, Neg takes 1/);
    refused({ nodes: [node('y = Add(x)')] }, /Add 'y' lacks the input 'B'/);
    refused({ nodes: [node('y = Neg(z)')] }, /Neg 'y' reads 'z', which nothing before it computes/);
    refused({ nodes: [node('y = Neg(x)'), node('y = Neg(x)')] }, /'y' is computed twice/);
    refused({ outputs: ['z'] }, /the output 'z' is computed by no node/);
    refused({ inputs: ['x: float32', 'x: float32'] }, /the input 'x' stands twice/);
  });
  it('versions that it doesn’t know', () => {
    refused({ opset: 29 }, /version 29 of the operators, known are 1 to 28/);
    refused({ irVersion: 2 }, /IR version 2; from 3 on are known/);
  });
  it('what is no model', () => {
    expect(() => onnx.load(new Uint8Array(0))).toThrow(/onnx\.load: the model can't be read: it is no ONNX model/);
    expect(() => onnx.load(Buffer.from('PK\x03\x04 no model'))).toThrow(/onnx\.load: the model can't be read/);
    expect(() => onnx.load(3 as never)).toThrow(/onnx\.load: expected a path or the bytes of a model, got 3/);
    expect(() => onnx.load(join(folder, 'none.onnx'))).toThrow(/onnx\.load: '.*none\.onnx' can't be read: ENOENT/);
    expect(() => onnx.load(folder)).toThrow(/it is not a file/);
  });
  it('lengths that lie, and nesting without end', () => {
    const bytes = model(ok);
    const at = Buffer.from(bytes).indexOf('Neg') - 1;
    for (const length of [0x7f, 0x00]) {
      const bad = Uint8Array.from(bytes);
      bad[at] = length;
      expect(() => onnx.load(bad)).toThrow(/onnx\.load: the model can't be read/);
    }
    // Attribute → graph → node → attribute → …
    let deep: Uint8Array = new Uint8Array(0);
    const wrap = (field: number, inner: Uint8Array): Uint8Array => {
      const length: number[] = [];
      for (let n = inner.length; ; n = Math.floor(n / 128)) {
        length.push((n % 128) | (n >= 128 ? 128 : 0));
        if (n < 128) break;
      }
      return Buffer.concat([Uint8Array.of((field << 3) | 2, ...length), inner]);
    };
    for (let i = 0; i < 2000; i++) deep = wrap(5, wrap(6, wrap(1, deep)));
    expect(() => onnx.load(wrap(7, wrap(1, deep)))).toThrow(/nested deeper than 100/);
  });

  const weight = (message: TensorMessage): (() => unknown) => {
    const parts: Parts = {
      nodes: [node('y = Add(x, w)')],
      inputs: ['x: float32'],
      outputs: ['y'],
      tensors: [{ name: 'w', ...message }],
    };
    return () => onnx.load(model(parts));
  };
  it('tensors that aren’t what they say', () => {
    expect(weight({ dims: [3], dataType: 1, rawData: new Uint8Array(8) })).toThrow(
      /'w' of shape \[3\] and dtype float32 has 8 bytes/,
    );
    expect(weight({ dims: [2 ** 40], dataType: 1, rawData: new Uint8Array(8) })).toThrow(
      /'w' of shape \[1099511627776\]/,
    );
    expect(weight({ dims: [-1], dataType: 1, rawData: new Uint8Array(8) })).toThrow(/'w' has the shape \[-1\]/);
    expect(weight({ dims: [2], dataType: 9, rawData: Uint8Array.of(1, 2) })).toThrow(
      /bool tensor 'w' holds bytes other than 0 and 1/,
    );
    expect(weight({ dims: [1], dataType: 8, stringData: [new Uint8Array(1)] })).toThrow(
      /'w' is of string, which has no dtype here/,
    );
    expect(weight({ dims: [2], dataType: 12, rawData: new Uint8Array(8) })).toThrow(
      /'w' is of uint32, which has no dtype here/,
    );
    expect(weight({ dims: [5], dataType: 1 })).toThrow(/'w' of shape \[5\] has fewer numbers/);
  });

  describe('files beside the model', () => {
    const data = Float32Array.of(1, 2, 3, 4);
    mkdirSync(join(folder, 'models', 'sub'), { recursive: true });
    writeFileSync(join(folder, 'outside.bin'), new Uint8Array(64));
    writeFileSync(
      join(folder, 'models', 'sub', 'w.bin'),
      Buffer.concat([new Uint8Array(8), new Uint8Array(data.buffer)]),
    );
    symlinkSync(join(folder, 'outside.bin'), join(folder, 'models', 'link.bin'));
    const external = (entries: Record<string, string>): (() => onnx.OnnxModule) => {
      const externalData = Object.entries(entries).map(([key, text]) => ({ key, value: text }));
      const tensors: TensorMessage[] = [{ name: 'w', dims: [2], dataType: 1, dataLocation: 1, externalData }];
      const file = join(folder, 'models', 'm.onnx');
      writeFileSync(file, model({ nodes: [node('y = Add(x, w)')], inputs: ['x: float32'], outputs: ['y'], tensors }));
      return () => onnx.load(file);
    };
    it('are read where they lie in its folder', () => {
      const m = external({ location: 'sub/w.bin', offset: '12', length: '8' })();
      expect(m.getParameter('w').tolist()).toEqual([2, 3]);
    });
    it('are refused elsewhere, and where they are too short', () => {
      for (const location of [
        '../outside.bin',
        join(folder, 'outside.bin'),
        'sub/../../outside.bin',
        'link.bin',
        '',
        'a\0b',
      ])
        expect(external({ location }), location).toThrow(/outside the model's folder/);
      expect(external({ location: 'none.bin' })).toThrow(/can't be opened: ENOENT/);
      expect(external({ location: 'sub' })).toThrow(/is not a file/);
      expect(external({ location: 'sub/w.bin', offset: '20' })).toThrow(/needs 8 bytes .* from 20 on, which has 24/);
      expect(external({ location: 'sub/w.bin', length: '7' })).toThrow(/length 7/);
      expect(external({ location: 'sub/w.bin', offset: '-4' })).toThrow(/external offset '-4'/);
      const bytes = model({
        nodes: [],
        outputs: [],
        tensors: [
          { name: 'w', dims: [2], dataType: 1, dataLocation: 1, externalData: [{ key: 'location', value: 'w.bin' }] },
        ],
      });
      expect(() => onnx.load(bytes)).toThrow(/lies in another file, 'w\.bin': load the model by its path/);
    });
  });
});

describe('numbers in fields of their own type', () => {
  const varint = (x: number): number[] => {
    const bytes: number[] = [];
    let rest = BigInt.asUintN(64, BigInt(x));
    for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
    return [...bytes, Number(rest)];
  };
  const packed = (list: number[]): Uint8Array => Uint8Array.from(list.flatMap(varint));
  const read = (message: TensorMessage): Tensor => {
    return run({ nodes: [node('y = Identity(w)')], outputs: ['y'], tensors: [{ name: 'w', ...message }] });
  };
  it('are read as raw ones', () => {
    const field = (name: string, dataType: number, data: Uint8Array): unknown =>
      read({ dims: [2], dataType, [name]: data } as never).tolist();
    expect(field('floatData', 1, new Uint8Array(Float32Array.of(1.5, -2).buffer))).toEqual([1.5, -2]);
    expect(field('doubleData', 11, new Uint8Array(Float64Array.of(1.5, -2).buffer))).toEqual([1.5, -2]);
    expect(field('int32Data', 6, packed([7, -8]))).toEqual([7, -8]);
    expect(field('int32Data', 3, packed([7, -128]))).toEqual([7, -128]);
    expect(field('int32Data', 2, packed([0, 255]))).toEqual([0, 255]);
    expect(field('int32Data', 9, packed([1, 0]))).toEqual([true, false]);
    expect(field('int32Data', 10, packed([0x3c00, 0xc000]))).toEqual([1, -2]);
    expect(field('int64Data', 7, packed([2 ** 40, -1]))).toEqual([2 ** 40, -1]);
    expect(() => field('int32Data', 3, packed([7, 200]))).toThrow(/'w' of int8 holds the number 200/);
    expect(() => field('int32Data', 6, packed([7, 8, 9]))).toThrow(/another count of numbers/);
  });
});
