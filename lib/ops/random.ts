/** Random numbers, equal to those of PyTorch's CPU generator for a seed (native/random). */
import { TenfoldError, checkDevice, checkOptions, renamed, show } from '../errors.js';
import { Code, DTYPES, codeOf, defaultFloat, isFloatCode } from '../dtype.js';
import { checkInterval } from '../launch/check.js';
import { run } from '../launch/run.js';
import { kernel, type Kernel } from '../native/launch.js';
import { type Generator, defaultGenerator, halves, isGenerator } from '../random/generator.js';
import { checkSizes, type Shape } from '../tensor/shape.js';
import { Tensor, checkIsTensor, isTensor } from '../tensor/tensor.js';
import { defineOp, type OpDef } from '../op/define.js';
import type { TensorOptions } from './creation.js';

const K = {
  uniform: kernel('uniform'),
  normal: kernel('normal'),
  random: kernel('random'),
  randperm: kernel('randperm'),
  bernoulli: kernel('bernoulli'),
  bernoulliTensor: kernel('bernoulliTensor'),
  exponential: kernel('exponential'),
  geometric: kernel('geometric'),
  cauchy: kernel('cauchy'),
  logNormal: kernel('logNormal'),
  poisson: kernel('poisson'),
  multinomial: kernel('multinomial'),
};

/** Seeds the default generator and returns it; the numbers that follow are PyTorch's for that seed. See torch.manual_seed. */
export function manualSeed(seed: number | bigint): Generator {
  return defaultGenerator.manualSeed(seed);
}
/** Seeds the default generator from the system's randomness and returns the seed. See torch.seed. */
export const seed = (): number => defaultGenerator.seed();
/** The seed that the default generator began with. See torch.initial_seed. */
export const initialSeed = (): number | bigint => defaultGenerator.initialSeed();
/** The default generator's state, as a uint8 tensor. See torch.get_rng_state. */
export function getRngState(): Tensor {
  const state = defaultGenerator.getState();
  return Tensor.wrap(state, [state.length], Code.u8);
}
/** Sets the default generator's state, from a tensor or bytes. See torch.set_rng_state. */
export function setRngState(state: Tensor | Uint8Array): void {
  renamed('setRngState', () =>
    defaultGenerator.setState(state instanceof Tensor ? (state.toTypedArray() as Uint8Array) : state),
  );
}

/** Draws into a dense tensor of a dtype that the kernel has; halves are drawn as float32 and cast. */
function draw(
  k: Kernel,
  call: string,
  out: Tensor,
  generator: Generator | null,
  numbers: readonly number[],
  given: Tensor | null = null,
): void {
  const id = k[out.code]!;
  if (id < 0 && (out.code === Code.f16 || out.code === Code.bf16)) {
    if (k === K.uniform) return drawUniformHalf(call, out, generator, numbers);
    if (k === K.normal && out.count >= 16 && numbers[2] === 0) return drawNormalHalf(call, out, generator, numbers);
    const wide = Tensor.raw(out.shape, Code.f32);
    draw(k, call, wide, generator, numbers);
    out.rawCopy(wide);
    return;
  }
  if (id < 0) throw new TenfoldError('dtype', `${call}: not defined for ${out.dtype}`);
  if (out.count === 0) return;
  const { state } = generator ?? defaultGenerator;
  if (given !== null) run(id, state, out, out.count, given);
  else run(id, state, out, out.count, ...numbers);
}

/** float16 takes the last 11 bits of each random number, bfloat16 the last 8, where float32 takes 24. */
function drawUniformHalf(call: string, out: Tensor, generator: Generator | null, range: readonly number[]): void {
  const wide = Tensor.raw(out.shape, Code.f32);
  draw(K.uniform, call, wide, generator, [0, 1]);
  const values = 2 ** (out.code === Code.f16 ? 11 : 8);
  const [from, to] = range as [number, number];
  const bits = wide.mul(2 ** 24).remainder(values);
  out.rawCopy(
    bits
      .mul(1 / values)
      .mul(to - from)
      .add(from),
  );
}

/**
 * Box and Muller's method as PyTorch has it for 16 numbers and more, in blocks of 16 of which the last may lie over the
 * one before it. float16 is rounded where PyTorch stores a value, bfloat16 after every operation.
 */
function drawNormalHalf(call: string, out: Tensor, generator: Generator | null, numbers: readonly number[]): void {
  const { dtype, count } = out;
  const store = (t: Tensor): Tensor => t.to(dtype).double();
  const step = out.code === Code.bf16 ? store : (t: Tensor): Tensor => t;
  const [mean, std] = numbers.slice(0, 2).map((x) => store(Tensor.zeros([], Code.f64).add(x))) as [Tensor, Tensor];
  const uniform = (n: number): Tensor => {
    const u = Tensor.raw([n], out.code);
    drawUniformHalf(call, u, generator, [0, 1]);
    return u.double();
  };
  const normal = (u: Tensor): Tensor => {
    const pairs = u.view([-1, 2, 8]);
    const logarithm = step(store(pairs.select(1, 0).neg().add(1)).log());
    const radius = store(step(logarithm.mul(-2)).sqrt());
    const theta = store(pairs.select(1, 1).mul(2 * Math.PI));
    const scale = (x: Tensor): Tensor => step(step(radius.mul(step(x))).mul(std)).add(mean);
    const parts = [scale(theta.cos()), scale(theta.sin())];
    const both = Tensor.raw(pairs.shape, out.code);
    parts.forEach((part, i) => both.select(1, i).rawCopy(part));
    return both.view([-1]);
  };
  const flat = out.view([count]);
  const u = uniform(count);
  const whole = count - (count % 16);
  flat.narrow(0, 0, whole).rawCopy(normal(u.narrow(0, 0, whole)));
  if (whole < count) flat.narrow(0, count - 16, 16).rawCopy(normal(uniform(16)));
}

/** Dims in the order of memory, those with the largest strides first; expanded dims stay where they are, as in PyTorch. */
function memoryOrder(t: Tensor): number[] {
  const order = t.shape.map((_, i) => i).reverse(); // innermost first
  const compare = (a: number, b: number): number => {
    const [s, u] = [t.strides[a]!, t.strides[b]!];
    if (s === 0 || u === 0) return 0;
    return s === u ? Number(t.shape[a]! > t.shape[b]!) : s - u;
  };
  for (let i = 1; i < order.length; i++) {
    for (let at = i, below = i - 1; below >= 0; below--) {
      const c = compare(order[below]!, order[at]!);
      if (c < 0) break;
      if (c === 0) continue;
      [order[below], order[at]] = [order[at]!, order[below]!];
      at = below;
    }
  }
  return order.reverse();
}
/** A tensor with its dims in that order. */
function inMemoryOrder(t: Tensor): Tensor {
  const order = memoryOrder(t);
  return t.stridedView(
    order.map((i) => t.shape[i]!),
    order.map((i) => t.strides[i]!),
    t.offset,
  );
}

/** Fills a tensor of any layout in place: dense memory directly, else through a dense copy, in the order of memory. */
function fillRandom(
  call: string,
  self: Tensor,
  k: Kernel,
  generator: Generator | null,
  numbers: readonly number[],
  strided = numbers,
): Tensor {
  if (self.dense) draw(k, call, self, generator, numbers);
  else {
    const ordered = inMemoryOrder(self);
    const out = Tensor.raw(ordered.shape, self.code);
    draw(k, call, out, generator, strided);
    ordered.rawCopy(out);
  }
  return self;
}

/** Fills with numbers uniform in [from, to). See torch.Tensor.uniform_. */
export const uniform_ = defineOp(
  'uniform_(Tensor self, float from=0, float to=1, *, generator? generator=null)',
  (): OpDef => ({
    forward(self: Tensor, from: number, to: number, generator: Generator | null) {
      if (!(from <= to)) throw new RangeError(`uniform_: expected from <= to, got from ${from} and to ${to}`);
      return fillRandom('uniform_', self, K.uniform, generator, [from, to]);
    },
    differentiable: false,
  }),
);
/** Fills with normal numbers of this mean and standard deviation. See torch.Tensor.normal_. */
export const normal_ = defineOp(
  'normal_(Tensor self, float mean=0, float std=1, *, generator? generator=null)',
  (): OpDef => ({
    forward(self: Tensor, mean: number, std: number, generator: Generator | null) {
      if (!(std >= 0)) throw new RangeError(`normal_: expected std >= 0, got ${std}`);
      return fillRandom('normal_', self, K.normal, generator, [mean, std, 0], [mean, std, 1]);
    },
    differentiable: false,
  }),
);
/** Fills with 1 with probability p, else 0; p may be a tensor of probabilities. See torch.Tensor.bernoulli_. */
export const bernoulli_ = defineOp(
  'bernoulli_(Tensor self, Tensor|Scalar p=0.5, *, generator? generator=null)',
  (): OpDef => ({
    forward(self: Tensor, p: Tensor | number, generator: Generator | null) {
      if (p instanceof Tensor) {
        self.rawCopy(drawBernoulli('bernoulli_', p.expand([...self.shape]), generator));
        return self;
      }
      checkProbability('bernoulli_', p);
      return fillRandom('bernoulli_', self, K.bernoulli, generator, [p, 1]);
    },
    differentiable: false,
  }),
);
const checkProbability = (call: string, p: number): void => {
  if (!(p >= 0 && p <= 1)) throw new RangeError(`${call}: expected a probability in [0, 1], got ${p}`);
};
function drawBernoulli(call: string, p: Tensor, generator: Generator | null): Tensor {
  if (!isFloatCode(p.code))
    throw new TenfoldError('dtype', `${call}: probabilities must be floating-point, got ${p.dtype}`);
  const wide = p.code > Code.f64 ? p.to('float32') : p;
  const dense = wide.rawDense();
  const out = Tensor.raw(dense.shape, dense.code);
  draw(K.bernoulliTensor, call, out, generator, [], dense);
  return out.code === p.code ? out : out.to(p.dtype);
}
/** 1 with the probability that each element gives, else 0. See torch.bernoulli. */
export const bernoulli = defineOp('bernoulli(Tensor self, float? p=null, *, generator? generator=null)', (): OpDef => ({
  forward(self: Tensor, p: number | null, generator: Generator | null) {
    if (p === null) return drawBernoulli('bernoulli', self, generator);
    checkProbability('bernoulli', p);
    const out = Tensor.raw(self.shape, self.code);
    draw(K.bernoulli, 'bernoulli', out, generator, [p, 1]);
    return out;
  },
  differentiable: false,
}));
/** Fills with exponential numbers of rate lambd. See torch.Tensor.exponential_. */
export const exponential_ = defineOp(
  'exponential_(Tensor self, float lambd=1, *, generator? generator=null)',
  (): OpDef => ({
    forward(self: Tensor, lambd: number, generator: Generator | null) {
      if (!(lambd > 0)) throw new RangeError(`exponential_: expected lambd > 0, got ${lambd}`);
      return fillRandom('exponential_', self, K.exponential, generator, [lambd]);
    },
    differentiable: false,
  }),
);
/** Fills with the number of trials up to the first success. See torch.Tensor.geometric_. */
export const geometric_ = defineOp('geometric_(Tensor self, float p, *, generator? generator=null)', (): OpDef => ({
  forward(self: Tensor, p: number, generator: Generator | null) {
    if (!(p > 0 && p < 1)) throw new RangeError(`geometric_: expected p in (0, 1), got ${p}`);
    return fillRandom('geometric_', self, K.geometric, generator, [p]);
  },
  differentiable: false,
}));
/** Fills with Cauchy numbers. See torch.Tensor.cauchy_. */
export const cauchy_ = defineOp(
  'cauchy_(Tensor self, float median=0, float sigma=1, *, generator? generator=null)',
  (): OpDef => ({
    forward(self: Tensor, median: number, sigma: number, generator: Generator | null) {
      if (!(sigma > 0)) throw new RangeError(`cauchy_: expected sigma > 0, got ${sigma}`);
      return fillRandom('cauchy_', self, K.cauchy, generator, [median, sigma]);
    },
    differentiable: false,
  }),
);
/** Fills with numbers whose logarithm is normal. See torch.Tensor.log_normal_. */
export const logNormal_ = defineOp(
  'logNormal_(Tensor self, float mean=1, float std=2, *, generator? generator=null)',
  (): OpDef => ({
    forward(self: Tensor, mean: number, std: number, generator: Generator | null) {
      if (!(std > 0)) throw new RangeError(`logNormal_: expected std > 0, got ${std}`);
      return fillRandom('logNormal_', self, K.logNormal, generator, [mean, std]);
    },
    differentiable: false,
  }),
);

/** From this many values on, PyTorch takes two of the generator's words for one. */
const TWO_WORDS = 1n << 28n;
/** Least and greatest value of a dtype's, where not every safe integer is one. */
const BOUNDS: Partial<Record<Code, readonly [bigint, bigint]>> = {
  [Code.i64]: [-(1n << 63n), (1n << 63n) - 1n],
  [Code.i32]: [-(1n << 31n), (1n << 31n) - 1n],
  [Code.i16]: [-(1n << 15n), (1n << 15n) - 1n],
  [Code.i8]: [-128n, 127n],
  [Code.u8]: [0n, 255n],
  [Code.bool]: [0n, 1n],
  [Code.f16]: [-65504n, 65504n],
};
function integerArguments(call: string, code: Code, low: number | bigint, high: number | bigint): number[] {
  const [from, to] = [BigInt(low), BigInt(high)];
  if (from >= to) throw new RangeError(`${call}: expected low < high, got low ${from} and high ${to}`);
  const bounds = BOUNDS[code];
  if (bounds && (from < bounds[0] || to - 1n > bounds[1]))
    throw new RangeError(`${call}: ${from} to ${to - 1n} isn't within ${DTYPES[code]}, which goes from ${bounds[0]} to ${bounds[1]}`); // prettier-ignore
  const range = to - from;
  return [...halves(from), ...halves(range), range >= TWO_WORDS ? 2 : 1];
}
// Numbers of values of random_() without bounds: PyTorch's, all integers that the dtype holds exactly; and words for each.
const FULL_RANGE: Partial<Record<Code, readonly [bigint, words: 1 | 2]>> = {
  [Code.f32]: [(1n << 24n) + 1n, 1],
  [Code.f64]: [(1n << 53n) + 1n, 2],
  [Code.i64]: [1n << 63n, 2],
  [Code.i32]: [1n << 31n, 1],
  [Code.i16]: [1n << 15n, 1],
  [Code.i8]: [1n << 7n, 1],
  [Code.u8]: [1n << 8n, 1],
  [Code.bool]: [2n, 1],
  [Code.f16]: [(1n << 11n) + 1n, 1],
  [Code.bf16]: [(1n << 8n) + 1n, 1],
};
/** Fills with integers in [from, to); random_(to) starts at 0, random_() takes the dtype's range. See torch.Tensor.random_. */
export const random_ = defineOp(
  'random_(Tensor self, int? from=null, int? to=null, *, generator? generator=null)',
  (): OpDef => ({
    forward(self: Tensor, from: number | null, to: number | null, generator: Generator | null) {
      const numbers =
        from === null
          ? [...halves(0n), ...halves(FULL_RANGE[self.code]![0]), FULL_RANGE[self.code]![1]]
          : integerArguments('random_', self.code, to === null ? 0 : from, to ?? from);
      return fillRandom('random_', self, K.random, generator, numbers);
    },
    differentiable: false,
  }),
);

/** Options of functions that make random tensors. */
export interface RandomOptions extends TensorOptions {
  generator?: Generator | null;
}

function readRandom(
  call: string,
  args: readonly unknown[],
  further: readonly string[] = [],
): { rest: readonly unknown[]; options: RandomOptions } {
  const last = args.at(-1);
  const has = typeof last === 'object' && last !== null && !Array.isArray(last) && !(last instanceof Tensor);
  if (has) checkOptions(call, last, ['dtype', 'requiresGrad', 'device', 'generator', ...further]);
  const options = has ? { ...(last as RandomOptions) } : {};
  checkDevice(call, options.device);
  const { generator = null } = options;
  if (generator !== null && !isGenerator(generator))
    throw new TypeError(`${call}: 'generator' must be a Generator, got ${show(generator)}`);
  return { rest: has ? args.slice(0, -1) : args, options };
}
function sizesOf(call: string, rest: readonly unknown[]): Shape {
  const shape = rest.length === 1 && Array.isArray(rest[0]) ? (rest[0] as number[]) : (rest as number[]);
  return checkSizes(call, shape);
}
function sample(
  call: string,
  shape: Shape,
  k: Kernel,
  numbers: readonly number[],
  o: RandomOptions,
  fallback: Code,
): Tensor {
  const code = o.dtype ? codeOf(call, o.dtype) : fallback;
  if (!isFloatCode(code)) throw new TenfoldError('dtype', `${call}: needs a floating-point dtype, got ${DTYPES[code]}`);
  const out = Tensor.rawFor(call, shape, code);
  draw(k, call, out, o.generator ?? null, numbers);
  return o.requiresGrad ? out.requiresGrad_(true) : out;
}
/** Whether a dense tensor of this one's order in memory is contiguous. */
const keepsOrder = (t: Tensor): boolean =>
  memoryOrder(t)
    .filter((i) => t.shape[i] !== 1)
    .every((dim, i, all) => i === 0 || dim > all[i - 1]!);
/** What `make` draws for the shape of `input`, in the order of its memory, as a dense tensor. */
function likeMemory(input: Tensor, make: (shape: Shape) => Tensor, o: RandomOptions): Tensor {
  if (input.dense) return make(input.shape);
  const order = memoryOrder(input);
  const drawn = make(order.map((i) => input.shape[i]!)).detach();
  const out = drawn.permute(order.map((_, i) => order.indexOf(i))).contiguous();
  return o.requiresGrad ? out.requiresGrad_(true) : out;
}
type Sizes =
  | [...size: number[]]
  | [...size: number[], options: RandomOptions]
  | [size: readonly number[], options?: RandomOptions];

/** Numbers uniform in [0, 1), of a shape given as rand(2, 3) or rand([2, 3]). See torch.rand. */
export function rand(...args: Sizes): Tensor {
  const { rest, options } = readRandom('rand', args);
  return sample('rand', sizesOf('rand', rest), K.uniform, [0, 1], options, defaultFloat());
}
/** Normal numbers of mean 0 and standard deviation 1. See torch.randn. */
export function randn(...args: Sizes): Tensor {
  const { rest, options } = readRandom('randn', args);
  return sample('randn', sizesOf('randn', rest), K.normal, [0, 1, 0], options, defaultFloat());
}
/** rand() of another tensor's shape and dtype. See torch.rand_like. */
export const randLike = (input: Tensor, options: RandomOptions = {}): Tensor =>
  sampleLike('randLike', input, K.uniform, [0, 1], options);
/** randn() of another tensor's shape and dtype. See torch.randn_like. */
export function randnLike(input: Tensor, options: RandomOptions = {}): Tensor {
  checkIsTensor('randnLike', 'input', input);
  return sampleLike('randnLike', input, K.normal, [0, 1, keepsOrder(input) ? 0 : 1], options);
}
function sampleLike(
  call: string,
  input: Tensor,
  k: Kernel,
  numbers: readonly number[],
  options: RandomOptions,
): Tensor {
  checkIsTensor(call, 'input', input);
  readRandom(call, [options]);
  const make = (shape: Shape): Tensor => sample(call, shape, k, numbers, options, input.code);
  return likeMemory(input, make, options);
}

function integers(
  call: string,
  low: number | bigint,
  high: number | bigint,
  shape: Shape,
  o: RandomOptions,
  fallback: Code,
): Tensor {
  for (const x of [low, high])
    if (typeof x !== 'bigint' && !Number.isInteger(x))
      throw new TypeError(`${call}: low and high must be integers, got ${show(x)}`);
  const out = Tensor.rawFor(call, shape, o.dtype ? codeOf(call, o.dtype) : fallback);
  draw(K.random, call, out, o.generator ?? null, integerArguments(call, out.code, low, high));
  return o.requiresGrad ? out.requiresGrad_(true) : out;
}
/** Integers in [low, high) as int64: randint(high, size) or randint(low, high, size). See torch.randint. */
export function randint(high: number | bigint, size: readonly number[], options?: RandomOptions): Tensor;
export function randint(
  low: number | bigint,
  high: number | bigint,
  size: readonly number[],
  options?: RandomOptions,
): Tensor;
export function randint(
  options: RandomOptions & { low?: number | bigint; high: number | bigint; size: readonly number[] },
): Tensor;
export function randint(...args: unknown[]): Tensor {
  const { rest, options } = readRandom('randint', args, ['low', 'high', 'size']);
  const named = options as RandomOptions & { low?: number | bigint; high?: number | bigint; size?: readonly number[] };
  const numbers = rest.filter((x) => typeof x === 'number' || typeof x === 'bigint') as (number | bigint)[];
  const size = (rest.find(Array.isArray) ?? named.size) as number[] | undefined;
  if (!size) throw new TypeError(`randint: missing the size, a list of integers; got ${rest.map(show).join(', ')}`);
  const [low, high] = numbers.length === 2 ? numbers : [named.low ?? 0, numbers[0] ?? named.high];
  if (high === undefined) throw new TypeError("randint: missing 'high'");
  return integers('randint', low!, high, checkSizes('randint', size), options, Code.i64);
}
/** randint() of another tensor's shape and dtype. See torch.randint_like. */
export function randintLike(
  input: Tensor,
  ...args: [high: number, options?: RandomOptions] | [low: number, high: number, options?: RandomOptions]
): Tensor {
  checkIsTensor('randintLike', 'input', input);
  const { rest, options } = readRandom('randintLike', args);
  const [low, high] = rest.length > 1 ? rest : [0, rest[0]];
  const make = (shape: Shape): Tensor =>
    integers('randintLike', low as number, high as number, shape, options, input.code);
  return likeMemory(input, make, options);
}
/** The integers 0 … n − 1 in random order, as int64. See torch.randperm. */
export function randperm(n: number, options: RandomOptions = {}): Tensor {
  checkSizes('randperm', [n]);
  readRandom('randperm', [options]);
  const out = Tensor.rawFor('randperm', [n], Code.i64);
  draw(K.randperm, 'randperm', out, options.generator ?? null, []);
  return options.dtype && options.dtype !== 'int64' ? out.to(options.dtype) : out;
}
/** Options of normal(). */
export interface NormalOptions extends RandomOptions {
  std?: number | Tensor;
  size?: readonly number[];
}
/**
 * Normal numbers: normal(mean, std, size) with numbers, or with tensors for either, element by element. See torch.normal.
 */
export function normal(
  mean: number | Tensor,
  std?: number | Tensor | NormalOptions,
  size?: readonly number[] | NormalOptions,
  options?: NormalOptions,
): Tensor {
  for (const x of [mean, std ?? 1]) {
    if (typeof x !== 'number' && !isTensor(x) && (x === mean || Array.isArray(x)))
      throw new TypeError(`normal: mean and std must be numbers or tensors, got ${show(x)}`);
  }
  const named = [std, size, options].find(
    (x) => typeof x === 'object' && x !== null && !Array.isArray(x) && !(x instanceof Tensor),
  );
  const o = (named ?? {}) as NormalOptions;
  readRandom('normal', [o], ['std', 'size']);
  const spread = (std === named ? undefined : (std as number | Tensor | undefined)) ?? o.std ?? 1;
  if (typeof mean === 'number' && typeof spread === 'number') {
    const shape = Array.isArray(size) ? (size as number[]) : o.size;
    if (!shape) throw new TypeError('normal: with two numbers it needs a size');
    if (!(spread >= 0)) throw new RangeError(`normal: expected std >= 0, got ${spread}`);
    return sample('normal', checkSizes('normal', shape), K.normal, [mean, spread, 0], o, defaultFloat());
  }
  const like = mean instanceof Tensor ? (spread instanceof Tensor ? mean.add(spread) : mean) : (spread as Tensor);
  const z = sample('normal', like.shape, K.normal, [0, 1, 0], o, like.code);
  return z.mul(spread).add(mean);
}
/** Poisson numbers with the rates that each element gives. See torch.poisson. */
export const poisson = defineOp('poisson(Tensor input, *, generator? generator=null)', (): OpDef => ({
  forward(input: Tensor, generator: Generator | null) {
    if (!isFloatCode(input.code))
      throw new TenfoldError('dtype', `poisson: rates must be floating-point, got ${input.dtype}`);
    const rates = (input.code > Code.f64 ? input.to('float32') : input).contiguous();
    const out = Tensor.raw(input.shape, rates.code);
    draw(K.poisson, 'poisson', out, generator, [], rates);
    return rates.code === input.code ? out : out.to(input.dtype);
  },
  differentiable: false,
}));
/** Without replacement each row needs as many categories of a weight above 0 as are drawn. */
function checkPossible(weights: Tensor, numSamples: number): void {
  const refusal = (there: number): Error =>
    new TenfoldError(
      'value',
      `multinomial: ${numSamples} samples without replacement from ${there} categories of a weight above 0`,
    );
  checkInterval(weights.gt(0).sum(-1), numSamples, Infinity, refusal);
}

/**
 * Indices of categories, drawn with the probabilities that rows of weights give (they need not sum to 1): int64
 * [numSamples] or [rows, numSamples]. See torch.multinomial.
 */
export const multinomial = defineOp(
  'multinomial(Tensor self, int numSamples, bool replacement=false, *, generator? generator=null)',
  (): OpDef => ({
    forward(self: Tensor, numSamples: number, replacement: boolean, generator: Generator | null) {
      const n = self.shape.length;
      if (n < 1 || n > 2)
        throw new TenfoldError('shape', `multinomial: weights must have 1 or 2 dims, got shape [${self.shape}]`);
      if (!isFloatCode(self.code))
        throw new TenfoldError('dtype', `multinomial: weights must be floating-point, got ${self.dtype}`);
      const categories = self.shape[n - 1]!;
      if (numSamples < 1) throw new RangeError(`multinomial: numSamples must be at least 1, got ${numSamples}`);
      if (!replacement && numSamples > categories) {
        throw new RangeError(`multinomial: ${numSamples} samples without replacement from ${categories} categories`);
      }
      const wide = (self.code > Code.f64 ? self.to('float32') : self).contiguous();
      if (!replacement) checkPossible(wide, numSamples);
      const rows = n === 2 ? self.shape[0]! : 1;
      const out = Tensor.raw(n === 2 ? [rows, numSamples] : [numSamples], Code.i64);
      if (out.count > 0) {
        run(
          K.multinomial[wide.code]!,
          (generator ?? defaultGenerator).state,
          out,
          out.count,
          wide,
          rows,
          categories,
          numSamples,
          replacement && numSamples > 1 ? 1 : 0, // one sample is drawn the shorter way, as PyTorch draws it
          n === 2 && memoryOrder(self)[0] === 1 ? 1 : 0,
        );
      }
      return out;
    },
    differentiable: false,
  }),
);
