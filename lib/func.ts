/** Functions of functions, as torch.func: gradients, products with derivatives, whole derivatives. */
import { TenfoldError, renamed, show } from './errors.js';
import { grad as gradientsOf } from './autograd/gradients.js';
import { hessian as hessianOf, jacobian, jvp as productOf } from './autograd/functional.js';
import { enableGrad } from './autograd/mode.js';
import { Tensor } from './tensor/tensor.js';
import { currentLevel } from './vmap/batching.js';

/** A position among the arguments, or several. */
export type Argnums = number | readonly number[];
/* eslint-disable @typescript-eslint/no-explicit-any -- the arguments are the user's */
type Differentiable = (...args: any[]) => Tensor;
type Derivative = (...args: any[]) => any;
/* eslint-enable @typescript-eslint/no-explicit-any */

function checkFunction(call: string, func: unknown): void {
  if (typeof func !== 'function') throw new TypeError(`${call}: expected a function, got ${show(func)}`);
}
/** Positions of the arguments to differentiate, counted from the end where negative; each of them a tensor of floats. */
function positions(call: string, argnums: Argnums, args: readonly unknown[]): number[] {
  const list = typeof argnums === 'number' ? [argnums] : argnums;
  if (!Array.isArray(list) || list.length === 0 || !list.every((i) => Number.isInteger(i)))
    throw new TypeError(`${call}: argnums must be an integer or a list of integers, got ${show(argnums)}`);
  return (list as number[]).map((given) => {
    const at = given < 0 ? given + args.length : given;
    if (at < 0 || at >= args.length)
      throw new RangeError(`${call}: argnums ${given} is out of range for ${args.length} arguments`);
    const x = args[at];
    if (!(x instanceof Tensor) || !x.isFloatingPoint())
      throw new TypeError(`${call}: argument ${at} must be a floating-point tensor, got ${show(x)}`);
    return at;
  });
}
/** A tensor whose gradient is asked for: it stands in the graph of what it was made of, where there is one. */
const own = (x: Tensor): Tensor => (x.requiresGrad ? x.view([...x.shape]) : x.detach().requiresGrad_());

function gradients(call: string, func: Differentiable, argnums: Argnums, args: unknown[]): [unknown, Tensor] {
  return enableGrad(() => {
    const at = positions(call, argnums, args);
    const nested = at.some((i) => (args[i] as Tensor).requiresGrad);
    const given = [...args];
    const level = currentLevel();
    // Inside vmap every sample has a gradient of its own, also for what they share.
    const single = (x: Tensor): Tensor =>
      level === null || level.fullOf(x) !== null ? x : level.wrap(level.expanded(x));
    for (const i of at) given[i] = own(single(args[i] as Tensor));
    const inputs = at.map((i) => given[i] as Tensor);
    const value = func(...given);
    if (!(value instanceof Tensor) || value.shape.length !== 0)
      throw new TenfoldError('shape', `${call}: the function must return one number, got ${show(value)}`);
    const options = { createGraph: nested, allowUnused: true };
    let found: (Tensor | null)[] = inputs.map(() => null);
    if (value.requiresGrad && level === null) found = gradientsOf([value], inputs, options);
    else if (value.requiresGrad) {
      const all = (x: Tensor): Tensor => level!.fullOf(x)!;
      found = level!.outside(() => gradientsOf([level!.expanded(value).sum()], inputs.map(all), options)).map((g) => g && level!.wrap(g)); // prettier-ignore
    }
    const out = found.map((g, i) => g ?? Tensor.zeros(inputs[i]!.shape, inputs[i]!.code));
    return [typeof argnums === 'number' ? out[0]! : out, nested ? value : value.detach()];
  });
}
/**
 * A function that gives the gradient of `func`, which must return a 0-dim tensor, for the argument of that position, or a list
 * for several. Gradients of gradients: grad(grad(f)). See torch.func.grad.
 *
 *     grad((x) => x.pow(3).sum())(tensor([2])); // tensor([12.])
 */
export function grad(func: Differentiable, argnums: Argnums = 0): Derivative {
  checkFunction('grad', func);
  return (...args: unknown[]) => gradients('grad', func, argnums, args)[0];
}
/** As grad, of [gradient, value]. See torch.func.grad_and_value. */
export function gradAndValue(func: Differentiable, argnums: Argnums = 0): Derivative {
  checkFunction('gradAndValue', func);
  return (...args: unknown[]) => gradients('gradAndValue', func, argnums, args);
}
/**
 * [value, product]: what `func` gives for these arguments, and a function that gives vᵀ·J for each of them (one tensor for one
 * argument, else a list), for a v of the value's shape. See torch.func.vjp.
 */
export function vjp(func: Differentiable, ...primals: Tensor[]): [Tensor, Derivative] {
  checkFunction('vjp', func);
  positions('vjp', primals.map((_, i) => i), primals); // prettier-ignore
  return enableGrad(() => {
    const inputs = primals.map(own);
    const value = func(...inputs);
    if (!(value instanceof Tensor)) throw new TypeError(`vjp: the function must return a tensor, got ${show(value)}`);
    const product = (v: Tensor): Tensor | Tensor[] => {
      const found = value.requiresGrad
        ? gradientsOf([value], inputs, { gradOutputs: [v], retainGraph: true, allowUnused: true })
        : inputs.map(() => null);
      const out = found.map((g, i) => g ?? Tensor.zeros(inputs[i]!.shape, inputs[i]!.code));
      return out.length === 1 ? out[0]! : out;
    };
    return [value.detach(), product];
  });
}
/**
 * [value, J·v] for lists of arguments and of directions. By two backward passes, so it costs about as much as vjp. See
 * torch.func.jvp.
 */
export function jvp(func: Differentiable, primals: readonly Tensor[], tangents: readonly Tensor[]): [Tensor, Tensor] {
  checkFunction('jvp', func);
  return productOf(func as never, [...primals] as never, [...tangents] as never) as unknown as [Tensor, Tensor];
}
/**
 * [value, product]: what `func` gives for these arguments, and a function that gives J · v for directions of their shapes, without
 * running `func` again: by one backward pass through the recorded first. See torch.func.linearize.
 */
export function linearize(func: Differentiable, ...primals: Tensor[]): [Tensor, (...tangents: Tensor[]) => Tensor] {
  checkFunction('linearize', func);
  positions('linearize', primals.map((_, i) => i), primals); // prettier-ignore
  return enableGrad(() => {
    const inputs = primals.map(own);
    const value = func(...inputs);
    if (!(value instanceof Tensor)) throw new TypeError(`linearize: the function must return a tensor, got ${show(value)}`); // prettier-ignore
    const u = Tensor.zeros(value.shape, value.code).requiresGrad_();
    const options = { gradOutputs: [u], createGraph: true, retainGraph: true, allowUnused: true };
    const found = value.requiresGrad ? gradientsOf([value], inputs, options) : inputs.map(() => null);
    const product = (...tangents: Tensor[]): Tensor => {
      if (tangents.length !== inputs.length)
        throw new TypeError(`linearize: expected ${inputs.length} directions, got ${tangents.length}`);
      const linear = found.flatMap((g, i) => (g?.requiresGrad ? [{ g, tangent: tangents[i]! }] : []));
      const zero = Tensor.zeros(value.shape, value.code);
      if (linear.length === 0) return zero;
      const gradOutputs = linear.map((l) => l.tangent);
      return gradientsOf(linear.map((l) => l.g), [u], { gradOutputs, retainGraph: true, allowUnused: true })[0] ?? zero; // prettier-ignore
    };
    return [value.detach(), product];
  });
}
/** A function that gives the Jacobian of `func` for an argument, or a list for several: [*output, *input]. See torch.func.jacrev. */
export function jacrev(func: Differentiable, argnums: Argnums = 0): Derivative {
  checkFunction('jacrev', func);
  return (...args: unknown[]) => {
    const at = positions('jacrev', argnums, args);
    const of = (...xs: Tensor[]): Tensor => func(...args.map((a, i) => (at.includes(i) ? xs[at.indexOf(i)] : a)));
    const out = jacobian(of as never, at.map((i) => args[i]) as never) as unknown as Tensor[];
    return typeof argnums === 'number' ? out[0]! : out;
  };
}
/** jacrev: derivatives are taken backwards here, one pass for each element of the output. See torch.func.jacfwd. */
export function jacfwd(...args: Parameters<typeof jacrev>): ReturnType<typeof jacrev> {
  return renamed('jacfwd', () => jacrev(...args));
}
/** A function that gives the Hessian of `func`, which must return one number, for one argument. See torch.func.hessian. */
export function hessian(func: Differentiable, argnums = 0): Derivative {
  checkFunction('hessian', func);
  return (...args: unknown[]) => {
    const [at] = positions('hessian', argnums, args) as [number];
    const of = (x: Tensor): Tensor => func(...args.map((a, i) => (i === at ? x : a)));
    return hessianOf(of as never, args[at] as never) as unknown as Tensor;
  };
}
export { functionalCall, stackModuleState, type FunctionalCallOptions } from './nn/stateless.js';
export { vmap, type InDims, type VmapOptions } from './vmap/vmap.js';
