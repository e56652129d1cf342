/** Elementwise ops, comparisons, casts, activations. */
import { codeOf, promoteCodes, promoteStandings, scalarCode, DTYPES, isFloatCode, type DType } from '../../dtype.js';
import { rankOf, sizesOf, type Arg, type Graph, type Value } from './graph.js';
import { isTensorLike, operand, translations, type Args, type Emit, type Table } from './translation.js';

/** One node of the same meaning, on operands of the result's dtype. */
const unary =
  (type: string): Emit =>
  (g, a, [out]) =>
    g.node(type, [g.cast((a.self ?? a.input) as Arg, out!.dtype)]);
const logical =
  (type: string): Emit =>
  (g, a) =>
    g.node(type, [g.cast(a.self as Arg, 'bool'), ...(a.other === undefined ? [] : [g.cast(a.other as Arg, 'bool')])]);
const binary =
  (type: string): Emit =>
  (g, a, [out]) =>
    g.node(type, [operand(g, a.self, out!.dtype), operand(g, a.other, out!.dtype)]);

/** dtype in which operands are compared: PyTorch's promotion. */
function common(...operands: (Arg | number | boolean | bigint)[]): DType {
  const standing = [-1, -1, -1];
  for (const x of operands) {
    const at = !isTensorLike(x) ? 2 : rankOf(x) > 0 ? 0 : 1;
    const code = isTensorLike(x) ? codeOf('onnx.export', x.dtype) : scalarCode(x);
    standing[at] = standing[at]! < 0 ? code : promoteCodes(standing[at]!, code);
  }
  return DTYPES[promoteStandings(standing[0]!, standing[1]!, standing[2]!)]!;
}

/** ONNX compares and takes maxima of booleans nowhere: as uint8. */
const comparison =
  (type: string, negated = false): Emit =>
  (g, a) => {
    const dtype = common(a.self, a.other);
    const of = dtype === 'bool' && type !== 'Equal' ? 'uint8' : dtype;
    const name = g.node(type, [operand(g, a.self, of), operand(g, a.other, of)]);
    return negated ? g.node('Not', [name]) : name;
  };

const scaled = (g: Graph, x: string, alpha: number | bigint, dtype: DType): string =>
  Number(alpha) === 1 ? x : g.node('Mul', [x, g.number(alpha, dtype)]);
const sum =
  (type: 'Add' | 'Sub'): Emit =>
  (g, a, [out]) => {
    const other = scaled(g, operand(g, a.other, out!.dtype), a.alpha, out!.dtype);
    return g.node(type, [operand(g, a.self, out!.dtype), other]);
  };

const division: Emit = (g, a, [out]) => {
  const { dtype } = out!;
  const quotient = g.node('Div', [operand(g, a.self, dtype), operand(g, a.other, dtype)]);
  if (a.roundingMode === null || a.roundingMode === undefined) return quotient;
  const whole = !isFloatCode(codeOf('onnx.export', dtype));
  if (a.roundingMode === 'floor') {
    if (!whole) return g.node('Floor', [quotient]);
    const remainder = g.node('Mod', [operand(g, a.self, dtype), operand(g, a.other, dtype)]);
    return g.node('Div', [g.node('Sub', [operand(g, a.self, dtype), remainder]), operand(g, a.other, dtype)]);
  }
  return whole ? quotient : truncated(g, quotient, dtype);
};
/** sign(x) floor(|x|). */
const truncated = (g: Graph, x: string, _: DType): string =>
  g.node('Mul', [g.node('Sign', [x]), g.node('Floor', [g.node('Abs', [x])])]);

const remainder: Emit = (g, a, [out]) => {
  const { dtype } = out!;
  const [x, y] = [operand(g, a.self, dtype), operand(g, a.other, dtype)];
  if (!isFloatCode(codeOf('onnx.export', dtype))) return g.node('Mod', [x, y]);
  return g.node('Sub', [x, g.node('Mul', [y, g.node('Floor', [g.node('Div', [x, y])])])]);
};

const clamp: Emit = (g, a, [out]) => {
  let x = g.cast(a.self as Arg, out!.dtype);
  if (a.min !== null && a.min !== undefined) x = g.node('Max', [x, operand(g, a.min, out!.dtype)]);
  if (a.max !== null && a.max !== undefined) x = g.node('Min', [x, operand(g, a.max, out!.dtype)]);
  return x;
};

const cast: Emit = (g, a, [out]) => {
  const x = (a.self ?? a.input) as Arg;
  return x.dtype === out!.dtype ? g.node('Identity', [g.of(x)]) : g.convert(g.of(x), out!.dtype);
};

/** f(x) by numbers of x's dtype. */
const formula =
  (f: (g: Graph, x: string, number: (n: number) => string, a: Args) => string): Emit =>
  (g, a, [out]) =>
    f(g, g.cast((a.self ?? a.input) as Arg, out!.dtype), (n) => g.number(n, out!.dtype), a);

const minmax =
  (type: 'Max' | 'Min'): Emit =>
  (g, a, [out]) => {
    const dtype = out!.dtype === 'bool' ? 'uint8' : out!.dtype;
    const name = g.node(type, [operand(g, a.self, dtype), operand(g, a.other, dtype)]);
    return dtype === out!.dtype ? name : g.convert(name, out!.dtype);
  };

const where: Emit = (g, a, [out]) =>
  g.node('Where', [
    g.cast(a.condition as Arg, 'bool'),
    operand(g, a.self, out!.dtype),
    operand(g, a.other, out!.dtype),
  ]);

/** A slope for each channel, in a shape that broadcasts. */
const prelu: Emit = (g, a) => {
  const [x, weight] = [a.input as Arg, a.weight as Arg];
  const rank = rankOf(x);
  const [count] = rankOf(weight) === 0 ? [1] : sizesOf(weight);
  const slope =
    count === 1 || rank <= 1
      ? g.of(weight)
      : g.node('Reshape', [g.of(weight), g.ints([-1, ...new Array<number>(rank - 2).fill(1)])]);
  return g.node('PRelu', [g.of(x), slope]);
};
const isPlain = (a: Args): boolean => a.condition !== undefined && a.self !== undefined;
const noDtype = (x: Value | undefined): DType => x!.dtype;

export const ELEMENTWISE: Table = translations({
  ...Object.fromEntries(
    [
      'Abs',
      'Neg',
      'Exp',
      'Log',
      'Sqrt',
      'Sin',
      'Cos',
      'Tan',
      'Asin',
      'Acos',
      'Atan',
      'Sinh',
      'Cosh',
      'Asinh',
      'Acosh',
      'Atanh',
      'Ceil',
      'Floor',
      'Sign',
      'Sigmoid',
      'Tanh',
      'Relu',
      'Erf',
      'Reciprocal',
    ].map((type) => [type.toLowerCase(), unary(type)]),
  ),
  round: [(a) => a.decimals === 0, unary('Round')],
  positive: unary('Identity'),
  clone: unary('Identity'),
  contiguous: unary('Identity'),
  isnan: (g, a) => g.node('IsNaN', [g.of(a.self as Arg)]),
  isinf: (g, a) => g.node('IsInf', [g.of(a.self as Arg)]),
  logicalNot: logical('Not'),
  logicalAnd: logical('And'),
  logicalOr: logical('Or'),
  logicalXor: logical('Xor'),
  bitwiseNot: [(a) => a.self.dtype === 'bool', logical('Not')],
  bitwiseAnd: [(a) => isTensorLike(a.other) && a.self.dtype === 'bool', logical('And')],
  bitwiseOr: [(a) => isTensorLike(a.other) && a.self.dtype === 'bool', logical('Or')],
  bitwiseXor: [(a) => isTensorLike(a.other) && a.self.dtype === 'bool', logical('Xor')],
  add: sum('Add'),
  sub: sum('Sub'),
  rsub: (g, a, [out]) => g.node('Sub', [scaled(g, operand(g, a.other, noDtype(out)), 1, noDtype(out)), scaled(g, operand(g, a.self, noDtype(out)), a.alpha, noDtype(out))]), // prettier-ignore
  mul: binary('Mul'),
  div: division,
  floorDivide: (g, a, outs) => division(g, { ...a, roundingMode: 'floor' }, outs),
  pow: (g, a, [out]) =>
    g.node('Pow', [operand(g, a.self ?? a.input, noDtype(out)), operand(g, a.exponent, noDtype(out))]),
  remainder,
  fmod: (g, a, [out]) =>
    g.node('Mod', [operand(g, a.self, noDtype(out)), operand(g, a.other, noDtype(out))], { fmod: 1 }),
  maximum: minmax('Max'),
  minimum: minmax('Min'),
  eq: comparison('Equal'),
  ne: comparison('Equal', true),
  gt: comparison('Greater'),
  ge: comparison('GreaterOrEqual'),
  lt: comparison('Less'),
  le: comparison('LessOrEqual'),
  clamp,
  clampMin: clamp,
  clampMax: clamp,
  xlogy: (g, a, [out]) => {
    const [x, y] = [operand(g, a.self ?? a.input, noDtype(out)), operand(g, a.other, noDtype(out))];
    const zero = g.number(0, noDtype(out));
    return g.node('Where', [g.node('Equal', [x, zero]), zero, g.node('Mul', [x, g.node('Log', [y])])]);
  },
  where: [isPlain, where],
  maskedFill: (g, a, [out]) => g.node('Where', [g.cast(a.mask as Arg, 'bool'), operand(g, a.value, noDtype(out)), g.cast(a.self as Arg, noDtype(out))]), // prettier-ignore
  to: cast,
  toCopy: cast,
  float: cast,
  double: cast,
  half: cast,
  bfloat16: cast,
  int: cast,
  long: cast,
  bool: cast,
  addcmul: (g, a, [out]) => g.node('Add', [operand(g, a.self, noDtype(out)), scaled(g, g.node('Mul', [operand(g, a.tensor1, noDtype(out)), operand(g, a.tensor2, noDtype(out))]), a.value, noDtype(out))]), // prettier-ignore
  lerp: (g, a, [out]) => {
    const [x, end, weight] = [a.self, a.end, a.weight].map((t) => operand(g, t, noDtype(out))) as [
      string,
      string,
      string,
    ];
    return g.node('Add', [x, g.node('Mul', [weight, g.node('Sub', [end, x])])]);
  },

  square: formula((g, x) => g.node('Mul', [x, x])),
  rsqrt: formula((g, x) => g.node('Reciprocal', [g.node('Sqrt', [x])])),
  exp2: formula((g, x, n) => g.node('Exp', [g.node('Mul', [x, n(Math.LN2)])])),
  expm1: formula((g, x, n) => g.node('Sub', [g.node('Exp', [x]), n(1)])),
  log1p: formula((g, x, n) => g.node('Log', [g.node('Add', [x, n(1)])])),
  log2: formula((g, x, n) => g.node('Mul', [g.node('Log', [x]), n(Math.LOG2E)])),
  log10: formula((g, x, n) => g.node('Mul', [g.node('Log', [x]), n(Math.LOG10E)])),
  trunc: formula((g, x) => truncated(g, x, 'float32')),
  erfc: formula((g, x, n) => g.node('Sub', [n(1), g.node('Erf', [x])])),

  leakyRelu: (g, a) => g.node('LeakyRelu', [g.of(a.input as Arg)], { alpha: a.negativeSlope }),
  rrelu: [
    (a) => !a.training,
    (g, a) => g.node('LeakyRelu', [g.of(a.input as Arg)], { alpha: (a.lower + a.upper) / 2 }),
  ],
  elu: (g, a) => g.node('Elu', [g.of(a.input as Arg)], { alpha: a.alpha }),
  selu: unary('Selu'),
  celu: (g, a) => g.node('Celu', [g.of(a.input as Arg)], { alpha: a.alpha }),
  prelu,
  gelu: formula((g, x, n, a) => {
    if (g.opset >= 20) return g.node('Gelu', [x], { approximate: a.approximate });
    const half = (y: string): string => g.node('Mul', [g.node('Mul', [x, g.node('Add', [y, n(1)])]), n(0.5)]);
    if (a.approximate === 'none') return half(g.node('Erf', [g.node('Mul', [x, n(Math.SQRT1_2)])]));
    const cube = g.node('Mul', [g.node('Mul', [x, g.node('Mul', [x, x])]), n(0.044715)]);
    return half(g.node('Tanh', [g.node('Mul', [g.node('Add', [x, cube]), n(Math.sqrt(2 / Math.PI))])]));
  }),
  silu: formula((g, x) => g.node('Mul', [x, g.node('Sigmoid', [x])])),
  mish: formula((g, x) =>
    g.opset >= 18 ? g.node('Mish', [x]) : g.node('Mul', [x, g.node('Tanh', [g.node('Softplus', [x])])]),
  ),
  softplus: formula((g, x, n, a) => {
    const scaledX = a.beta === 1 ? x : g.node('Mul', [x, n(a.beta)]);
    const y = g.node('Softplus', [scaledX]);
    const smooth = a.beta === 1 ? y : g.node('Div', [y, n(a.beta)]);
    return g.node('Where', [g.node('Greater', [scaledX, n(a.threshold)]), x, smooth]);
  }),
  logsigmoid: formula((g, x) => g.node('Neg', [g.node('Softplus', [g.node('Neg', [x])])])),
  softsign: unary('Softsign'),
  hardtanh: formula((g, x, n, a) => g.node('Clip', [x, n(a.minVal), n(a.maxVal)])),
  relu6: formula((g, x, n) => g.node('Clip', [x, n(0), n(6)])),
  hardsigmoid: (g, a) => g.node('HardSigmoid', [g.of(a.input as Arg)], { alpha: 1 / 6, beta: 0.5 }),
  hardswish: unary('HardSwish'),
  hardshrink: formula((g, x, n, a) =>
    g.node('Where', [g.node('LessOrEqual', [g.node('Abs', [x]), n(a.lambd)]), n(0), x]),
  ),
  softshrink: (g, a) => g.node('Shrink', [g.of(a.input as Arg)], { lambd: a.lambd, bias: a.lambd }),
  tanhshrink: formula((g, x) => g.node('Sub', [x, g.node('Tanh', [x])])),
  threshold: formula((g, x, n, a) => g.node('Where', [g.node('Greater', [x, n(a.threshold)]), x, n(a.value)])),
});
