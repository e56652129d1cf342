/** Derivatives against finite differences. */
import { TenfoldError, checkOptions } from '../errors.js';
import { Code } from '../dtype.js';
import { Tensor } from '../tensor/tensor.js';
import { grad } from './functional.js';
import { enableGrad, noGrad } from './mode.js';

/** Options of gradcheck and gradgradcheck. */
export interface GradcheckOptions {
  /** Step of the central difference. */
  eps?: number;
  atol?: number;
  rtol?: number;
  /** false: return false instead of throwing. */
  raiseException?: boolean;
}
type Fn = (...inputs: Tensor[]) => Tensor | readonly Tensor[];

/**
 * Compares gradients with central differences, for every element of every float64 input that requires grad. Returns true,
 * or throws a TenfoldError that says which element is off. See torch.autograd.gradcheck.
 */
export function gradcheck(fn: Fn, inputs: Tensor | readonly Tensor[], options: GradcheckOptions = {}): boolean {
  checkOptions('gradcheck', options, ['eps', 'atol', 'rtol', 'raiseException']);
  const { eps = 1e-6, atol = 1e-5, rtol = 1e-3, raiseException = true } = options;
  const list = inputs instanceof Tensor ? [inputs] : inputs;
  const checked = list.filter((t) => t.requiresGrad);
  if (checked.length === 0) throw new TenfoldError('graph', 'gradcheck: no input requires grad');
  for (const t of checked) {
    if (t.code !== Code.f64)
      throw new TenfoldError('dtype', `gradcheck: inputs must be float64 for exact differences, got ${t.dtype}`);
  }
  const outputsOf = (): Tensor[] => {
    const out = fn(...list);
    return out instanceof Tensor ? [out] : [...out];
  };
  try {
    outputsOf().forEach((_, k) => {
      for (const input of checked) checkOne(outputsOf, k, input, eps, atol, rtol, checked.indexOf(input));
    });
  } catch (error) {
    if (!raiseException && error instanceof TenfoldError) return false;
    throw error;
  }
  return true;
}

function checkOne(
  outputs: () => Tensor[],
  k: number,
  input: Tensor,
  eps: number,
  atol: number,
  rtol: number,
  index: number,
): void {
  const output = outputs()[k]!;
  if (!output.requiresGrad) return;
  const memory = input.dense ? input : null;
  if (!memory) throw new TenfoldError('shape', 'gradcheck: inputs must be contiguous');
  const flat = input.asTypedArray() as Float64Array;
  const rows: number[][] = [];
  for (let o = 0; o < output.numel(); o++) {
    const one = Tensor.zeros(output.shape, output.code);
    (one.asTypedArray() as Float64Array)[o] = 1;
    const g = grad(output, input, { gradOutputs: one, retainGraph: true, allowUnused: true })[0];
    rows.push(g ? [...(g.toTypedArray() as Float64Array)] : new Array<number>(flat.length).fill(0));
  }
  for (let i = 0; i < flat.length; i++) {
    const x = flat[i]!;
    const at = (value: number): Float64Array =>
      noGrad(() => {
        flat[i] = value;
        return outputs()[k]!.detach().to('float64').toTypedArray() as Float64Array;
      });
    const up = at(x + eps);
    const down = at(x - eps);
    flat[i] = x;
    for (let o = 0; o < rows.length; o++) {
      const numerical = (up[o]! - down[o]!) / (2 * eps);
      const analytical = rows[o]![i]!;
      if (!(Math.abs(analytical - numerical) <= atol + rtol * Math.abs(numerical))) {
        throw new TenfoldError(
          'graph',
          `gradcheck: d output[${k}][${o}] / d input[${index}][${i}] is ${analytical} by backward, ${numerical} by differences`,
        );
      }
    }
  }
}

/** gradcheck of the gradients themselves: second derivatives. See torch.autograd.gradgradcheck. */
export function gradgradcheck(fn: Fn, inputs: Tensor | readonly Tensor[], options: GradcheckOptions = {}): boolean {
  const list = inputs instanceof Tensor ? [inputs] : inputs;
  const checked = list.filter((t) => t.requiresGrad);
  const first = fn(...list);
  const outs = first instanceof Tensor ? [first] : [...first];
  // Fixed weights that differ from element to element.
  const weights = outs.map((o) => {
    const w = Tensor.zeros(o.shape, Code.f64);
    const flat = w.asTypedArray() as Float64Array;
    for (let i = 0; i < flat.length; i++) flat[i] = Math.cos(i * 1.7 + 0.3) + 0.2;
    return w.requiresGrad_(true);
  });
  const gradients = (...args: Tensor[]): Tensor[] =>
    enableGrad(() => {
      const out = fn(...args.slice(0, list.length));
      const roots = (out instanceof Tensor ? [out] : [...out]).map((o, i) => o.mul(args[list.length + i]!).sum());
      const total = roots.reduce((a, b) => a.add(b));
      return grad(total, checked, { createGraph: true, allowUnused: true }).filter((g) => g !== null);
    });
  return gradcheck(gradients, [...list, ...weights], options);
}
