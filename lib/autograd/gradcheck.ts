/** Derivatives against finite differences. */
import { TenfoldError, checkOptions, show } from '../errors.js';
import { Code } from '../dtype.js';
import { Tensor, checkIsTensor, storageBuffer } from '../tensor/tensor.js';
import { grad } from './gradients.js';
import { enableGrad, noGrad } from './mode.js';

/** Options of gradcheck and gradgradcheck. */
export interface GradcheckOptions {
  /** Step of the central difference. */
  eps?: number;
  atol?: number;
  rtol?: number;
  /**
   * true: the derivative along one direction per input, weighted over the output, instead of one element after another.
   * Three calls of the function instead of two per element; a wrong derivative still shows, but not where.
   */
  fastMode?: boolean;
  /** false: return false instead of throwing. */
  raiseException?: boolean;
}
type Fn = (...inputs: Tensor[]) => Tensor | readonly Tensor[];

/**
 * Compares gradients with central differences, for every element of every float64 input that requires grad. Returns true,
 * or throws a TenfoldError that says which element is off. See torch.autograd.gradcheck.
 */
export function gradcheck(fn: Fn, inputs: Tensor | readonly Tensor[], options: GradcheckOptions = {}): boolean {
  return check(fn, listOf('gradcheck', fn, inputs), options, true);
}

function listOf(call: string, fn: unknown, inputs: unknown): readonly Tensor[] {
  if (typeof fn !== 'function') throw new TypeError(`${call}: expected a function, got ${show(fn)}`);
  const list: unknown[] = Array.isArray(inputs) ? inputs : [inputs];
  for (const t of list) checkIsTensor(call, 'inputs', t);
  return list as Tensor[];
}

/** `strict`: an output must require grad. A gradient needn't: it may be constant. */
function check(fn: Fn, list: readonly Tensor[], options: GradcheckOptions, strict: boolean): boolean {
  checkOptions('gradcheck', options, ['eps', 'atol', 'rtol', 'fastMode', 'raiseException']);
  const { eps = 1e-6, atol = 1e-5, rtol = 1e-3, fastMode = false, raiseException = true } = options;
  const checked = list.filter((t) => t.requiresGrad);
  if (checked.length === 0) throw new TenfoldError('graph', 'gradcheck: no input requires grad');
  for (const t of checked) {
    if (t.code !== Code.f64)
      throw new TenfoldError('dtype', `gradcheck: inputs must be float64 for exact differences, got ${t.dtype}`);
    if (t.shape.some((size, dim) => size > 1 && t.strides[dim] === 0))
      throw new TenfoldError('shape', 'gradcheck: an input has elements that share memory; use contiguous()');
  }
  const outputsOf = (): Tensor[] => {
    const out = fn(...list);
    return out instanceof Tensor ? [out] : [...out];
  };
  const compare = (what: string, analytical: number, numerical: number): void => {
    if (!(Math.abs(analytical - numerical) <= atol + rtol * Math.abs(numerical))) {
      throw new TenfoldError('graph', `gradcheck: ${what} is ${analytical} by backward, ${numerical} by differences`);
    }
  };
  const checkPair = fastMode ? checkDirection : checkElements;
  try {
    const outputs = outputsOf();
    if (strict && !outputs.some((o) => o.requiresGrad))
      throw new TenfoldError('graph', 'gradcheck: no output requires grad');
    outputs.forEach((output, k) => {
      if (!output.requiresGrad) return;
      const valueAt = (): Float64Array =>
        noGrad(() => outputsOf()[k]!.detach().to('float64').toTypedArray() as Float64Array);
      checked.forEach((input, i) => checkPair(output, input, valueAt, eps, [`output[${k}]`, `input[${i}]`], compare));
    });
  } catch (error) {
    if (!raiseException && error instanceof TenfoldError) return false;
    throw error;
  }
  return true;
}

type Check = (
  output: Tensor,
  input: Tensor,
  valueAt: () => Float64Array,
  eps: number,
  names: readonly [output: string, input: string],
  compare: (what: string, analytical: number, numerical: number) => void,
) => void;

/** The Jacobian: a row of it for each element of the output, a column by differences for each of the input. */
const checkElements: Check = (output, input, valueAt, eps, [outName, inName], compare) => {
  const rows = Array.from({ length: output.numel() }, (_, o) => {
    const one = new Float64Array(output.numel());
    one[o] = 1;
    return gradientOf(output, input, one);
  });
  const { memory, positions } = elementsOf(input);
  positions.forEach((at, i) => {
    const x = memory[at]!;
    memory[at] = x + eps;
    const up = valueAt();
    memory[at] = x - eps;
    const down = valueAt();
    memory[at] = x;
    rows.forEach((row, o) =>
      compare(`d ${outName}[${o}] / d ${inName}[${i}]`, row[i]!, (up[o]! - down[o]!) / (2 * eps)),
    );
  });
};

/** v · J · u for two fixed directions: by backward from v, and by one difference along u. */
const checkDirection: Check = (output, input, valueAt, eps, [outName, inName], compare) => {
  const v = direction(output.numel(), 0.3);
  const u = direction(input.numel(), 1.1);
  const analytical = dot(gradientOf(output, input, v), u);
  const { memory, positions } = elementsOf(input);
  const before = positions.map((at) => memory[at]!);
  const along = (step: number): Float64Array => {
    positions.forEach((at, i) => (memory[at] = before[i]! + step * u[i]!));
    return valueAt();
  };
  const up = along(eps);
  const down = along(-eps);
  positions.forEach((at, i) => (memory[at] = before[i]!));
  compare(`the derivative of ${outName} along one direction of ${inName}`, analytical, (dot(up, v) - dot(down, v)) / (2 * eps)); // prettier-ignore
};

/** Fixed numbers that differ from element to element, none of them 0. */
function direction(n: number, phase: number): Float64Array {
  return Float64Array.from({ length: n }, (_, i) => Math.cos(i * 1.7 + phase) * 0.6 + (i % 3 === 0 ? -0.8 : 0.8));
}
const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0);

function gradientOf(output: Tensor, input: Tensor, weights: Float64Array): Float64Array {
  const gradOutputs = Tensor.zeros(output.shape, Code.f64);
  (gradOutputs.asTypedArray() as Float64Array).set(weights);
  const g = grad(output, input, { gradOutputs, retainGraph: true, allowUnused: true })[0];
  return g ? (g.toTypedArray() as Float64Array) : new Float64Array(input.numel());
}

/** A tensor's memory, and where in it the elements are. */
function elementsOf(t: Tensor): { memory: Float64Array; positions: number[] } {
  let positions = [0];
  t.shape.forEach((size, dim) => {
    const steps = Array.from({ length: size }, (_, i) => i * t.strides[dim]!);
    positions = positions.flatMap((at) => steps.map((step) => at + step));
  });
  const memory = new Float64Array(storageBuffer(t), t.byteStart(t.offset), 1 + Math.max(-1, ...positions));
  return { memory, positions };
}

/** gradcheck of the gradients themselves: second derivatives. See torch.autograd.gradgradcheck. */
export function gradgradcheck(fn: Fn, inputs: Tensor | readonly Tensor[], options: GradcheckOptions = {}): boolean {
  const list = listOf('gradgradcheck', fn, inputs);
  const checked = list.filter((t) => t.requiresGrad);
  const first = fn(...list);
  const outs = first instanceof Tensor ? [first] : [...first];
  const roots = outs.flatMap((o, k) => (o.requiresGrad ? [k] : []));
  if (roots.length === 0) throw new TenfoldError('graph', 'gradgradcheck: no output requires grad');
  const weights = roots.map((k) => {
    const w = Tensor.zeros(outs[k]!.shape, Code.f64);
    (w.asTypedArray() as Float64Array).set(direction(w.numel(), 2.3));
    return w.requiresGrad_(true);
  });
  const gradients = (...args: Tensor[]): Tensor[] =>
    enableGrad(() => {
      const out = fn(...args.slice(0, list.length));
      const all = out instanceof Tensor ? [out] : out;
      const total = roots.map((k, i) => all[k]!.mul(args[list.length + i]!).sum()).reduce((a, b) => a.add(b));
      return grad(total, checked, { createGraph: true, allowUnused: true }).filter((g) => g !== null);
    });
  return check(gradients, [...list, ...weights], options, false);
}
