/**
 * Derivatives of functions: Jacobian, Hessian, and their products with vectors. Namespace `autograd.functional`, as
 * torch.autograd.functional.
 *
 * A function takes and gives one tensor or a list of them, and results are nested accordingly: a list for each that is a
 * list, the outputs' outside. Everything is reverse mode: a Jacobian takes one backward per element of the outputs, J · v
 * two in all, as the gradient is linear in its weights and its own gradient with respect to them is J · v.
 *
 * Options of all: `createGraph` records the derivatives themselves, back to `inputs` and `v` where those require grad;
 * `strict` refuses, as TenfoldError 'graph', an output or a derivative that is independent of an input, where otherwise zeros stand.
 */
import { TenfoldError, checkOptions, renamed, show } from '../errors.js';
import { isFloatCode } from '../dtype.js';
import { fillElements } from '../tensor/copy.js';
import { sameShape } from '../tensor/shape.js';
import { Tensor, rootGradient } from '../tensor/tensor.js';
import { runBackward } from './engine.js';
import { asList, checkTensors } from './gradients.js';
import { tensorOps } from './meta.js';
import { recordingOn } from './mode.js';

/** What a function takes and gives. */
type Tensors = Tensor | readonly Tensor[] | readonly [];
/** As the tensors of T are nested, with R in their place. */
type Nest<T extends Tensors, R = Tensor> = T extends Tensor ? R : { -readonly [K in keyof T]: R };
type Func<I extends Tensors, O extends Tensors> = (...inputs: I extends readonly Tensor[] ? I : [Tensor]) => O;

/** Options of vjp, jvp, vhp and hvp. */
export interface ProductOptions {
  createGraph?: boolean;
  strict?: boolean;
}
/** Options of jacobian. */
export interface JacobianOptions extends ProductOptions {
  /** Only false: there are no batched gradients. */
  vectorize?: boolean;
  /** Only reverse mode: there is no other. */
  strategy?: 'reverse-mode';
}
/** Options of hessian. */
export interface HessianOptions extends ProductOptions {
  /** Only false: there are no batched gradients. */
  vectorize?: boolean;
  /** Only reverse mode: there is no other. */
  outerJacobianStrategy?: 'reverse-mode';
}

// ---- what all have in common -----------------------------------------------------------------------------------------

type Untyped = (...inputs: Tensor[]) => unknown;
interface Flags {
  call: string;
  createGraph: boolean;
  strict: boolean;
}

function readFlags(name: string, func: unknown, inputs: unknown, options: object, others: string[] = []): Flags {
  const call = `autograd.functional.${name}`;
  if (typeof func !== 'function') throw new TypeError(`${call}: expected a function, got ${show(func)}`);
  checkTensors(call, 'inputs', asList(inputs));
  checkOptions(call, options, ['createGraph', 'strict', ...others]);
  const flag = (key: string): boolean => {
    const value = (options as Record<string, unknown>)[key] ?? false;
    if (typeof value !== 'boolean') throw new TypeError(`${call}: ${key} must be a boolean, got ${show(value)}`);
    return value;
  };
  if (others.includes('vectorize') && flag('vectorize')) {
    throw new TenfoldError(
      'value',
      `${call}: vectorize: true needs batched gradients, which Tenfold doesn't have; without it the result is the same, row by row`,
    );
  }
  for (const key of others.filter((other) => /strategy/i.test(other))) {
    const value = (options as Record<string, unknown>)[key] ?? 'reverse-mode';
    if (value === 'reverse-mode') continue;
    const why = value === 'forward-mode' ? ': Tenfold differentiates in reverse mode only' : '';
    throw new TenfoldError('value', `${call}: ${key} must be 'reverse-mode', got ${show(value)}${why}`);
  }
  return { call, createGraph: flag('createGraph'), strict: flag('strict') };
}

/**
 * Tensors of the call's own, so that a function which uses one of its inputs by its outer name as well is differentiated by
 * the argument alone.
 */
const ownInputs = (flags: Flags, inputs: unknown): Tensor[] =>
  (asList(inputs) as readonly Tensor[]).map((t) =>
    flags.createGraph && t.requiresGrad ? t.view(t.shape) : renamed(flags.call, () => t.detach().requiresGrad_(true)),
  );

function callFunction({ call, strict }: Flags, func: Untyped, inputs: readonly Tensor[]): [Tensor[], isList: boolean] {
  const out = func(...inputs);
  const outputs = asList(out);
  for (const t of outputs) {
    if (!(t instanceof Tensor))
      throw new TypeError(`${call}: the function must return a tensor or a list of tensors, got ${show(out)}`);
  }
  const constant = strict ? (outputs as Tensor[]).findIndex((t) => !t.requiresGrad) : -1;
  if (constant >= 0) throw refusal(call, `output ${constant} of the function doesn't require grad`);
  return [outputs as Tensor[], !((out as unknown) instanceof Tensor)];
}

/** callFunction for those that want a single element. */
function callScalar(flags: Flags, func: Untyped, inputs: readonly Tensor[]): Tensor {
  const [outputs, isList] = callFunction(flags, func, inputs);
  const { call } = flags;
  if (isList) throw new TypeError(`${call}: the function must return a single tensor, got a list of ${outputs.length}`);
  const out = outputs[0]!;
  if (out.numel() !== 1) {
    throw new TenfoldError(
      'shape',
      `${call}: the function must return a single element, got a tensor of shape [${out.shape}]`,
    );
  }
  return out;
}

const refusal = (call: string, what: string): TenfoldError =>
  new TenfoldError('graph', `${call}: ${what}, which strict: true doesn't allow`);

/** The vector of a product, for tensors that it must resemble; null stands for 1. */
function readVector(flags: Flags, v: unknown, refs: readonly Tensor[], noun: 'input' | 'output'): (Tensor | null)[] {
  const { call, createGraph } = flags;
  if (v === undefined || v === null) {
    if (refs.length === 1 && refs[0]!.numel() === 1) return [null];
    throw new TenfoldError('shape', `${call}: v can be left out only where the ${noun} is one tensor of one element`);
  }
  checkTensors(call, 'v', asList(v));
  const list = asList(v) as readonly Tensor[];
  if (list.length !== refs.length)
    throw new TenfoldError('shape', `${call}: v has ${list.length} tensors for ${refs.length} ${noun}s`);
  return list.map((t, i) => {
    const { shape } = refs[i]!;
    if (!sameShape(t.shape, shape)) {
      const which = Array.isArray(v) ? `v[${i}]` : 'v';
      throw new TenfoldError('shape', `${call}: ${which} has shape [${t.shape}], ${noun} ${i} has [${shape}]`);
    }
    return createGraph && t.requiresGrad ? t.view(t.shape) : t.detach();
  });
}

/** Gradients with respect to `inputs`; roots without a graph, or that are null, give none. */
function gradientsOf(
  call: string,
  roots: readonly (Tensor | null)[],
  inputs: readonly Tensor[],
  weights: readonly (Tensor | null)[],
  createGraph: boolean,
): (Tensor | null)[] {
  const from: Tensor[] = [];
  const given: Tensor[] = [];
  roots.forEach((root, i) => {
    if (root === null || !root.requiresGrad) return;
    from.push(root);
    given.push(rootGradient(call, root, weights[i] ?? null));
  });
  if (from.length === 0) return inputs.map(() => null);
  return runBackward(from, given, { retainGraph: createGraph, createGraph, inputs, accumulate: false });
}

const zerosLike = ({ shape, code }: Tensor): Tensor => Tensor.zeros(shape, code);
/** Weights of a gradient that is to be differentiated by them: their values don't matter. */
const openWeights = (refs: readonly Tensor[]): Tensor[] =>
  refs.map((t) => zerosLike(t).requiresGrad_(isFloatCode(t.code)));

/** Gradients with zeros where there is none; strict refuses those, and under createGraph the constant ones. */
function fillZeros(
  { call, strict, createGraph }: Flags,
  gradients: readonly (Tensor | null)[],
  refs: readonly Tensor[],
  absent: (i: number) => string,
  constant: (i: number) => string,
): Tensor[] {
  return gradients.map((g, i) => {
    if (strict && g === null) throw refusal(call, absent(i));
    if (strict && createGraph && !g!.requiresGrad) throw refusal(call, constant(i));
    return g ?? zerosLike(refs[i]!);
  });
}

/** The gradient of a single element, itself with a graph. */
function gradientOfScalar(flags: Flags, out: Tensor, inputs: readonly Tensor[]): (Tensor | null)[] {
  const gradient = gradientsOf(flags.call, [out], inputs, [null], true);
  gradient.forEach((g, i) => {
    if (!flags.strict) return;
    if (g === null) throw refusal(flags.call, `the output of the function is independent of input ${i}`);
    if (!g.requiresGrad) throw refusal(flags.call, `the gradient with respect to input ${i} is constant`);
  });
  return gradient;
}

/** A list as it is handed out: without its graph unless that was asked for, and as the single tensor that it stands for. */
function handBack(flags: Flags, list: readonly Tensor[], isList: boolean): Tensor | Tensor[] {
  const result = list.map((t) => (flags.createGraph ? t : t.detach()));
  return isList ? result : result[0]!;
}

/** `v` and options of a call, where options may stand in v's place. */
function splitVector(v: unknown, options: object): [v: unknown, options: object] {
  if (v === undefined || v === null || typeof v !== 'object' || Array.isArray(v) || v instanceof Tensor)
    return [v, options];
  const { v: named, ...rest } = v as { v?: unknown };
  return [named, { ...rest, ...options }];
}

// ---- whole matrices --------------------------------------------------------------------------------------------------

/** Jacobians of each output with respect to each input. `name` is an output's, for errors. */
function jacobianRows(flags: Flags, outputs: readonly Tensor[], inputs: readonly Tensor[], name: string): Tensor[][] {
  const { call, createGraph, strict } = flags;
  return outputs.map((out, i) => {
    const count = out.numel();
    // Rows go where they belong at once, unless their copying would have to be recorded.
    const whole = createGraph ? null : inputs.map((t) => Tensor.zeros([count, ...t.shape], t.code));
    const rows = inputs.map((): Tensor[] => []);
    for (let j = 0; j < count; j++) {
      const one = zerosLike(out);
      fillElements(one.stridedView([], [], j), 1);
      const run = { retainGraph: true, createGraph, inputs, accumulate: false };
      const gradients = out.requiresGrad ? runBackward([out], [one], run) : inputs.map(() => null);
      gradients.forEach((g, k) => {
        if (strict && g === null) throw refusal(call, `${name} ${i} is independent of input ${k}`);
        if (strict && createGraph && !g!.requiresGrad)
          throw refusal(call, `the derivative of ${name} ${i} with respect to input ${k} is constant`);
        if (whole === null) rows[k]!.push(g ?? zerosLike(inputs[k]!));
        else if (g !== null) whole[k]!.select(0, j).rawCopy(g);
      });
    }
    return inputs.map((t, k) => {
      const shape = [...out.shape, ...t.shape];
      if (count === 0) return Tensor.zeros(shape, t.code);
      return (whole === null ? tensorOps.stack(rows[k]!) : whole[k]!).reshape(shape);
    });
  });
}

/**
 * Jacobian of a function: J[...output, ...input], of the input's dtype. For a list of inputs a list of them, for a list of
 * outputs a list of those. One backward per element of the outputs. TenfoldError 'value' for `vectorize: true` and forward
 * mode. See torch.autograd.functional.jacobian.
 *
 *     jacobian((x) => x.exp().sum(1), rand(2, 3)).shape; // [2, 2, 3]
 *     const [byX, byY] = jacobian((x, y) => x.mul(y), [rand(3), rand(3)]);
 */
export function jacobian<I extends Tensors, O extends Tensors>(
  func: Func<I, O>,
  inputs: I,
  options: JacobianOptions = {},
): Nest<O, Nest<I>> {
  const flags = readFlags('jacobian', func, inputs, options, ['vectorize', 'strategy']);
  return recordingOn(() => {
    const own = ownInputs(flags, inputs);
    const [outputs, isList] = callFunction(flags, func as Untyped, own);
    const rows = jacobianRows(flags, outputs, own, 'output');
    const nested = rows.map((row) => (Array.isArray(inputs) ? row : row[0]!));
    return (isList ? nested : nested[0]) as Nest<O, Nest<I>>;
  });
}

/**
 * Hessian of a function of a single element: H[...input, ...input]; for a list of inputs nested lists, H[i][j] by inputs i
 * and j. One backward per element of the inputs. TenfoldError 'value' for `vectorize: true` and forward mode. See
 * torch.autograd.functional.hessian.
 *
 *     hessian((x) => x.pow(3).sum(), tensor([1, 2])); // [[6, 0], [0, 12]]
 */
export function hessian<I extends Tensors>(
  func: Func<I, Tensor>,
  inputs: I,
  options: HessianOptions = {},
): Nest<I, Nest<I>> {
  const flags = readFlags('hessian', func, inputs, options, ['vectorize', 'outerJacobianStrategy']);
  return recordingOn(() => {
    const own = ownInputs(flags, inputs);
    const out = callScalar(flags, func as Untyped, own);
    const gradient = gradientOfScalar(flags, out, own).map((g, i) => g ?? zerosLike(own[i]!));
    const rows = jacobianRows(flags, gradient, own, 'the gradient with respect to input');
    return (Array.isArray(inputs) ? rows : rows[0]![0]) as Nest<I, Nest<I>>;
  });
}

// ---- products with vectors -------------------------------------------------------------------------------------------

/** Reads the arguments of a product, and computes it with recording on. */
function recording<R>(
  name: string,
  func: unknown,
  inputs: Tensors,
  v: unknown,
  options: ProductOptions,
  compute: (flags: Flags, own: Tensor[], vector: unknown) => R,
): R {
  const [vector, named] = splitVector(v, options);
  const flags = readFlags(name, func, inputs, named);
  return recordingOn(() => compute(flags, ownInputs(flags, inputs), vector));
}

/**
 * Value of a function and vᵀ·J, as [outputs, product]: the product has the inputs' shapes, `v` the outputs'. `v` can be left
 * out (it is 1) for one output of one element. TenfoldError 'shape' for another v. See torch.autograd.functional.vjp.
 *
 *     vjp((x) => x.exp().sum(1), rand(4, 4), ones(4));
 */
export function vjp<I extends Tensors, O extends Tensors>(
  func: Func<I, O>,
  inputs: I,
  v?: Tensors | null | (ProductOptions & { v?: Tensors | null }),
  options: ProductOptions = {},
): [outputs: Nest<O>, product: Nest<I>] {
  return recording('vjp', func, inputs, v, options, (flags, own, vector) => {
    const [outputs, isList] = callFunction(flags, func as Untyped, own);
    const weights = readVector(flags, vector, outputs, 'output');
    const product = fillZeros(
      flags,
      gradientsOf(flags.call, outputs, own, weights, flags.createGraph),
      own,
      (i) => `the output of the function is independent of input ${i}`,
      (i) => `the derivative with respect to input ${i} is constant`,
    );
    return [handBack(flags, outputs, isList), handBack(flags, product, Array.isArray(inputs))] as [Nest<O>, Nest<I>];
  });
}

/**
 * Value of a function and J·v, as [outputs, product]: the product has the outputs' shapes, `v` the inputs'. `v` can be left
 * out (it is 1) for one input of one element. TenfoldError 'shape' for another v. See torch.autograd.functional.jvp.
 *
 *     jvp((x) => x.exp().sum(1), rand(4, 4), ones(4, 4));
 */
export function jvp<I extends Tensors, O extends Tensors>(
  func: Func<I, O>,
  inputs: I,
  v?: Tensors | null | (ProductOptions & { v?: Tensors | null }),
  options: ProductOptions = {},
): [outputs: Nest<O>, product: Nest<O>] {
  return recording('jvp', func, inputs, v, options, (flags, own, vector) => {
    const direction = readVector(flags, vector, own, 'input');
    const [outputs, isList] = callFunction(flags, func as Untyped, own);
    const weights = openWeights(outputs);
    const gradients = gradientsOf(flags.call, outputs, own, weights, true);
    const unused = flags.strict ? gradients.indexOf(null) : -1;
    if (unused >= 0) throw refusal(flags.call, `the output of the function is independent of input ${unused}`);
    const product = fillZeros(
      flags,
      gradientsOf(flags.call, gradients, weights, direction, flags.createGraph),
      outputs,
      (i) => `output ${i} is independent of the inputs`,
      (i) => `the derivative of output ${i} is constant`,
    );
    return [handBack(flags, outputs, isList), handBack(flags, product, isList)] as [Nest<O>, Nest<O>];
  });
}

/**
 * Value of a function of a single element and vᵀ·H, as [output, product]: `v` and the product have the inputs' shapes. `v`
 * can be left out (it is 1) for one input of one element. TenfoldError 'shape' for another v. See
 * torch.autograd.functional.vhp.
 *
 *     vhp((x) => x.pow(3).sum(), tensor([1, 2]), tensor([1, 1])); // product [6, 12]
 */
export function vhp<I extends Tensors>(
  func: Func<I, Tensor>,
  inputs: I,
  v?: Tensors | null | (ProductOptions & { v?: Tensors | null }),
  options: ProductOptions = {},
): [output: Tensor, product: Nest<I>] {
  return recording('vhp', func, inputs, v, options, (flags, own, vector) => {
    const direction = readVector(flags, vector, own, 'input');
    const out = callScalar(flags, func as Untyped, own);
    const gradient = gradientOfScalar(flags, out, own);
    const product = fillZeros(
      flags,
      gradientsOf(flags.call, gradient, own, direction, flags.createGraph),
      own,
      (i) => `the gradient of the function is independent of input ${i}`,
      (i) => `the Hessian with respect to input ${i} is constant`,
    );
    return [handBack(flags, [out], false), handBack(flags, product, Array.isArray(inputs))] as [Tensor, Nest<I>];
  });
}

/**
 * Value of a function of a single element and H·v, as [output, product]. What vhp gives, for a Hessian that is symmetric, in
 * three backwards instead of two. TenfoldError 'shape' for a v of other shapes than the inputs'. See
 * torch.autograd.functional.hvp.
 */
export function hvp<I extends Tensors>(
  func: Func<I, Tensor>,
  inputs: I,
  v?: Tensors | null | (ProductOptions & { v?: Tensors | null }),
  options: ProductOptions = {},
): [output: Tensor, product: Nest<I>] {
  return recording('hvp', func, inputs, v, options, (flags, own, vector) => {
    const direction = readVector(flags, vector, own, 'input');
    const out = callScalar(flags, func as Untyped, own);
    const gradient = gradientOfScalar(flags, out, own);
    const weights = openWeights(own);
    const twice = gradientsOf(flags.call, gradient, own, weights, true);
    const product = fillZeros(
      flags,
      gradientsOf(flags.call, twice, weights, direction, flags.createGraph),
      own,
      (i) => `the gradient with respect to input ${i} is independent of the inputs`,
      (i) => `the Hessian of input ${i} is constant`,
    );
    return [handBack(flags, [out], false), handBack(flags, product, Array.isArray(inputs))] as [Tensor, Nest<I>];
  });
}
