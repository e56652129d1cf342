/**
 * Tensor: shape, strides and dtype over a storage, and its place in the graph. Operators are added to it by the blocks in
 * lib/ops; here is only what they stand on.
 */
import { TenfoldError, checkDevice, checkOptions, naming, ownTensors, show } from '../errors.js';
import { Code, DTYPES, SIZE, isFloatCode, type DType } from '../dtype.js';
import { mode } from '../autograd/mode.js';
import { runBackward, type RunOptions } from '../autograd/engine.js';
import { gradFnOf, leafMeta, postHooks, tensorOps, type AutogradMeta } from '../autograd/meta.js';
import type { Hook, Node } from '../autograd/graph.js';
import type { Methods } from '../op/schema.js';
import type * as ops from '../ops/index.js';
import {
  Storage,
  addressing,
  allocate,
  allocateOwn,
  bufferOf,
  checkStorage,
  checkWritable,
  handOut,
  release,
  secondStorage,
  takeAddress,
  wrapMemory,
  isShared,
  shareStorage,
} from './storage.js';
import {
  SCALAR_SHAPE,
  broadcastShapes,
  internStrides,
  isDense,
  layoutOf,
  liesWithin,
  sameShape,
  wrapDim,
  type Shape,
} from './shape.js';
import { capture } from './capture.js';
import { copyElements, fillElements } from './copy.js';
import { formatTensor } from './format.js';
import { sharedOf, type SharedTensor } from './shared.js';
import { elementsOf, readElement, type TypedArray } from './elements.js';

/** Nested arrays of a tensor's elements. */
export type Nested = number | bigint | boolean | Nested[];

/** Options of backward. */
export interface BackwardOptions {
  /** Keep the graph, so that backward can run again. Starts as createGraph. */
  retainGraph?: boolean;
  /** Record the backward itself, for higher derivatives. */
  createGraph?: boolean;
  /** The tensors whose `.grad` gathers; all leaves without. */
  inputs?: Tensor | readonly Tensor[] | null;
}

let nextHook = 1;

// structuredClone() and postMessage() refuse what holds a symbol, and name it; without, they would make a lookalike that is
// no tensor. Seen in what they throw.
const NOT_CLONABLE = Symbol(
  'a tensor: send t.toTypedArray() and t.shape, and make it anew there by fromTypedArray(array, shape)',
);

/** Whether a value is a tensor of this copy of the library: made by its class, not by one that looks like it. */
export let isTensor: (x: unknown) => x is Tensor;
/** Refuses a tensor of which somebody has redefined what its memory is read by. */
let checkOwn: (t: Tensor) => void;

const notMade = (got: unknown): TypeError =>
  new TypeError(`Tensor: tensors are made by tensor(data), zeros(2, 3), …; got new Tensor(${show(got)})`);

/** What a tensor begins as: a new object, but for a prototype that becomes a tensor itself; see standForGone(). */
class Stamped {}

// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- the ops' methods; see lib/op/define.ts
export class Tensor extends Stamped {
  /** @internal */
  readonly clonable = NOT_CLONABLE;
  /** The function that made this tensor, where it is part of a graph; use `gradFn`. @internal */
  node: Node | null = null;
  /** Which output of `node` this is. @internal */
  nr = 0;
  /** Whether this is a leaf that gathers a gradient. @internal */
  leafGrad = false;
  /** Gradient and hooks, made when first needed. @internal */
  meta: AutogradMeta | null = null;
  /** Version of the storage that `node` was made for, of a view. @internal */
  viewVersion = 0;
  // What memory safety rests on is private: no assignment from outside reaches it. (Private fields cost what others do.)
  #storage: Storage;
  #offset: number;
  #shape: Shape;
  #strides: readonly number[];
  #code: Code;
  #count: number;
  #dense: boolean;
  #base: Tensor | null;

  /** Not for users: `tensor()`, `zeros()`, … make tensors. */
  constructor(
    storage: Storage,
    offset: number,
    shape: Shape,
    strides: readonly number[],
    code: Code,
    count: number,
    dense: boolean,
    base: Tensor | null,
  ) {
    super();
    // `new torch.Tensor([1, 2])` is a habit that must not make a tensor without memory.
    if (shape === undefined || !(storage instanceof Storage)) throw notMade(storage);
    this.#storage = storage;
    this.#offset = offset;
    this.#shape = shape;
    this.#strides = strides;
    this.#code = code;
    this.#count = count;
    this.#dense = dense;
    this.#base = base;
  }
  /** @internal */
  get storage(): Storage {
    return this.#storage;
  }
  /** @internal */
  get offset(): number {
    return this.#offset;
  }
  /** Sizes, one for each dim; frozen. */
  get shape(): Shape {
    return this.#shape;
  }
  /** In elements; frozen. @internal */
  get strides(): readonly number[] {
    return this.#strides;
  }
  /** @internal */
  get code(): Code {
    return this.#code;
  }
  /** Number of elements. @internal */
  get count(): number {
    return this.#count;
  }
  /** Whether elements lie row-major without gaps. @internal */
  get dense(): boolean {
    return this.#dense;
  }
  /** The tensor that this is a view of. @internal */
  get base(): Tensor | null {
    return this.#base;
  }
  static {
    isTensor = (x): x is Tensor => typeof x === 'object' && x !== null && #storage in x;
    checkOwn = (t) => {
      // An object may get properties of these names of its own, which ops then read instead.
      if (
        t.shape !== t.#shape ||
        t.strides !== t.#strides ||
        t.count !== t.#count ||
        t.code !== t.#code ||
        t.dense !== t.#dense
      )
        throw new TypeError("tensor: a tensor's shape, strides and dtype can't be redefined");
    };
  }

  // ---- making --------------------------------------------------------------------------------------------------------

  /** A dense tensor with memory that is not cleared. @internal */
  static raw(shape: Shape, code: Code, own = false): Tensor {
    const { shape: size, strides, count } = layoutOf(shape);
    const storage = own ? allocateOwn(count * SIZE[code]!) : allocate(count * SIZE[code]!);
    return new Tensor(storage, 0, size, strides, code, count, true, null);
  }
  /** raw() for a call that users make: an error names it. @internal */
  static rawFor(call: string, shape: Shape, code: Code): Tensor {
    try {
      return Tensor.raw(shape, code);
    } catch (error) {
      throw naming(call, error);
    }
  }
  /** Address of a tensor's first element; refuses freed and detached memory. @internal */
  static addressOf(t: Tensor): number {
    // An object may get properties of these names of its own, which ops then have read instead.
    checkOwn(t);
    return takeAddress(t.#storage) + t.#offset * SIZE[t.#code]!;
  }
  /** A dense tensor of the shape and strides of a dense one. @internal */
  static rawLike(t: Tensor, code: Code): Tensor {
    const strides = t.#dense ? t.#strides : layoutOf(t.#shape).strides;
    return new Tensor(allocate(t.#count * SIZE[code]!), 0, t.#shape, strides, code, t.#count, true, null);
  }
  /** @internal */
  static zeros(shape: Shape, code: Code): Tensor {
    const t = Tensor.raw(shape, code);
    fillElements(t, 0);
    return t;
  }
  /** A tensor over a typed array's own memory. @internal */
  static wrap(array: ArrayBufferView, shape: Shape, code: Code): Tensor {
    const { shape: size, strides, count } = layoutOf(shape);
    if (!(count * SIZE[code]! <= array.byteLength))
      throw new RangeError(`Tensor.wrap: shape [${size}] needs more than the array's ${array.byteLength} bytes`);
    return new Tensor(wrapMemory(array), 0, size, strides, code, count, true, null);
  }
  /** A view: other sizes and strides over the same memory. Strides and offset in elements of the storage. @internal */
  stridedView(shape: Shape, steps: readonly number[], offset: number): Tensor {
    const { shape: size, count } = layoutOf(shape);
    const strides = internStrides(steps);
    const { storage } = this;
    if (!liesWithin(size, strides, offset, storage.nbytes / SIZE[this.code]!))
      throw new RangeError(`stridedView: shape [${size}] at ${offset} with strides [${strides}] leaves the memory`);
    const view = new Tensor(
      storage,
      offset,
      size,
      strides,
      this.code,
      count,
      isDense(size, strides),
      this.leafGrad ? this : (this.base ?? this),
    );
    view.viewVersion = storage.version;
    if (this.meta !== null && this.meta.opaque !== null) leafMeta(view).opaque = this.meta.opaque;
    return view;
  }
  /** This tensor as a view of itself whose gradient goes through `node` and nowhere else: see AutogradMeta.opaque. @internal */
  opaqueView(node: Node, nr: number): Tensor {
    const view = this.stridedView(this.shape, this.strides, this.offset);
    view.setNode(node, nr);
    leafMeta(view).opaque = node.name;
    return view;
  }
  /** Takes a view's sizes and strides, and its place in the graph: t_(). @internal */
  turnInto(view: Tensor): this {
    checkIsTensor('turnInto', 'view', view);
    if (view.storage !== this.storage || view.code !== this.code)
      throw new TenfoldError('inplace', 'turnInto: a tensor turns into views of its own memory only');
    const { offset, shape, strides, count, dense, node, nr } = view;
    this.#offset = offset;
    this.#shape = shape;
    this.#strides = strides;
    this.#count = count;
    this.#dense = dense;
    this.storage.version++;
    if (this.base !== null)
      this.viewVersion = -1; // its node is made anew from the base
    else if (node !== null) this.setNode(node, nr);
    return this;
  }
  /** Takes another tensor's memory, sizes and dtype: whoever holds this one sees that from now on. @internal */
  become(other: Tensor): void {
    checkIsTensor('become', 'other', other);
    this.#storage = other.#storage;
    this.#offset = other.#offset;
    this.#shape = other.#shape;
    this.#strides = other.#strides;
    this.#code = other.#code;
    this.#count = other.#count;
    this.#dense = other.#dense;
  }
  /**
   * A result that is a view, but not of one of its op's operands, is no view any more: it shows memory taken in the op, and the
   * history is its own, not that of a base which nobody has. @internal
   */
  standAlone(operands: readonly unknown[]): void {
    if (!showsOneOf(this, operands)) this.#base = null;
  }
  /** The same memory as another tensor, outside any graph. @internal */
  alias(): Tensor {
    return new Tensor(this.storage, this.offset, this.shape, this.strides, this.code, this.count, this.dense, null);
  }
  /** A dense copy, outside any graph. @internal */
  rawClone(): Tensor {
    const out = Tensor.rawLike(this, this.code);
    copyElements(out, this);
    return out;
  }
  /** This tensor where it is dense, else a dense copy outside any graph. @internal */
  rawDense(): Tensor {
    return this.dense ? this : this.rawClone();
  }
  /** This tensor or a dense copy, for a call that users make: an error names it. */
  private denseFor(call: string): Tensor {
    if (this.dense) return this;
    const out = Tensor.rawFor(call, this.shape, this.code);
    copyElements(out, this);
    return out;
  }
  /** Copies another tensor's elements, broadcast and cast, without touching graph or version. @internal */
  rawCopy(source: Tensor): void {
    checkIsTensor('rawCopy', 'source', source);
    if (
      !sameShape(this.shape, source.shape) &&
      !sameShape(this.shape, broadcastShapes('rawCopy', this.shape, source.shape))
    )
      throw new TenfoldError('shape', `rawCopy: shape [${source.shape}] doesn't broadcast to [${this.shape}]`);
    copyElements(this, source);
  }

  // ---- asking --------------------------------------------------------------------------------------------------------

  /** True for every tensor. */
  get isTensor(): true {
    return true;
  }
  /** Element type. */
  get dtype(): DType {
    return DTYPES[this.code]!;
  }
  /** Always 'cpu'. */
  get device(): string {
    return 'cpu';
  }
  /** The tensor itself, which is in the processor's memory already. */
  cpu(): this {
    return this;
  }
  /** Not here: says so. @throws TenfoldError 'value'. */
  cuda(device: string | number | null = null): never {
    void device;
    checkDevice('cuda', 'cuda');
    throw new Error('unreachable');
  }
  /** Number of dimensions. */
  get ndim(): number {
    return this.shape.length;
  }
  /** Number of dimensions. */
  dim(): number {
    return this.shape.length;
  }
  /** Number of elements. */
  numel(): number {
    return this.count;
  }
  /** Number of elements, as PyTorch's nelement(). */
  nelement(): number {
    return this.count;
  }
  /** Shape, or the size of one dim. RangeError for a dim out of range. */
  size(): Shape;
  size(dim: number): number;
  size(dim?: number): Shape | number {
    return dim === undefined ? this.shape : this.shape[wrapDim('size', dim, this.shape.length)]!;
  }
  /** Strides in elements (a copy), or the stride of one dim. RangeError for a dim out of range. */
  stride(): readonly number[];
  stride(dim: number): number;
  stride(dim?: number): readonly number[] | number {
    return dim === undefined ? this.strides.slice() : this.strides[wrapDim('stride', dim, this.shape.length)]!;
  }
  /** Position of the first element in the storage, in elements. */
  storageOffset(): number {
    return this.offset;
  }
  /** Bytes per element. */
  elementSize(): number {
    return SIZE[this.code]!;
  }
  /** Whether elements lie row-major without gaps. */
  isContiguous(): boolean {
    return this.dense;
  }
  /** Whether the dtype is float32, float64, float16 or bfloat16. */
  isFloatingPoint(): boolean {
    return isFloatCode(this.code);
  }
  /** Address of the first element, for telling whether tensors share memory. */
  dataPtr(): number {
    return addressOf(this);
  }
  /** Number of times this memory was changed in place. */
  get version(): number {
    return this.storage.version;
  }

  // ---- autograd ------------------------------------------------------------------------------------------------------

  /** Whether gradients are computed for this tensor. Settable on leaves. */
  get requiresGrad(): boolean {
    return this.leafGrad || this.node !== null || gradFnOf(this) !== null;
  }
  set requiresGrad(value: boolean) {
    this.requiresGrad_(value);
  }
  /** Sets whether this leaf gathers a gradient; returns the tensor. Floating-point dtypes only. */
  requiresGrad_(requiresGrad = true): this {
    if (typeof requiresGrad !== 'boolean') {
      throw new TypeError(`requiresGrad_: expected a boolean, got ${show(requiresGrad)}`);
    }
    if (gradFnOf(this) !== null) {
      if (requiresGrad) return this;
      throw new TenfoldError(
        'graph',
        'requiresGrad_: only a leaf can stop requiring grad; use detach() for the others',
      );
    }
    if (requiresGrad && !isFloatCode(this.code)) {
      throw new TenfoldError(
        'dtype',
        `requiresGrad_: only floating-point tensors can require grad, this one is ${this.dtype}`,
      );
    }
    this.leafGrad = requiresGrad;
    return this;
  }
  /** Function that made this tensor, null for a leaf. */
  get gradFn(): Node | null {
    return gradFnOf(this);
  }
  /** Whether no recorded op made this tensor. */
  get isLeaf(): boolean {
    return gradFnOf(this) === null;
  }
  /** Gradient gathered by backward(); null where none was. */
  get grad(): Tensor | null {
    if (this.meta === null) return null;
    if (capture !== null) capture.gradient(this, 'read');
    this.meta.gradExposed = true;
    return this.meta.grad;
  }
  set grad(value: Tensor | null) {
    if (value === null || value === undefined) {
      this.dropGrad();
      return;
    }
    if (!(value instanceof Tensor)) throw new TypeError(`grad: expected a tensor or null, got ${show(value)}`);
    if (!sameShape(value.shape, this.shape)) {
      throw new TenfoldError(
        'shape',
        `grad: a gradient of shape [${value.shape}] for a tensor of shape [${this.shape}]`,
      );
    }
    if (value.code !== this.code) {
      throw new TenfoldError('dtype', `grad: a ${value.dtype} gradient for a ${this.dtype} tensor`);
    }
    if (capture !== null) capture.gradient(this, 'drop');
    const meta = leafMeta(this);
    meta.grad = value;
    meta.gradExposed = true;
  }
  /** Forgets the gradient, and gives its memory back where nobody has seen it. @internal */
  dropGrad(): void {
    const { meta } = this;
    if (capture !== null) capture.gradient(this, 'drop');
    if (meta === null || meta.grad === null) return;
    if (!meta.gradExposed) release(meta.grad.storage);
    meta.grad = null;
    meta.gradExposed = false;
  }
  /** @internal */
  setNode(node: Node, nr: number): void {
    if (this.meta !== null && this.meta.retainsGrad) {
      // The gradient that is kept is that of the present value.
      const before = this.node?.retain;
      if (before) before[this.nr] = undefined;
      (node.retain ??= [])[nr] = this;
    }
    this.node = node;
    this.nr = nr;
    this.viewVersion = this.storage.version;
  }
  /**
   * Computes the gradients of this tensor's leaves and adds them to their `.grad`.
   * `gradient` is needed for tensors of more than one element. `retainGraph` keeps the graph for another run,
   * `createGraph` records the backward itself, `inputs` limits which tensors gather.
   * TenfoldError 'graph' where nothing was recorded, the graph has been freed, or a saved tensor was changed in place;
   * 'shape' for a gradient of another shape. See torch.Tensor.backward.
   */
  backward(
    gradient?: Tensor | null | ({ gradient?: Tensor } & BackwardOptions),
    retainGraph?: boolean | BackwardOptions,
    createGraph?: boolean,
    inputs?: Tensor | readonly Tensor[],
  ): void {
    let named: { gradient?: Tensor } & BackwardOptions = {};
    if (gradient !== undefined && typeof gradient !== 'object')
      throw new TypeError(`backward: 'gradient' must be a tensor or options, got ${show(gradient)}`);
    if (gradient && !(gradient instanceof Tensor)) named = gradient;
    else if (typeof retainGraph === 'object' && retainGraph !== null) named = retainGraph;
    checkOptions('backward', named, ['gradient', 'retainGraph', 'createGraph', 'inputs']);
    const g = gradient instanceof Tensor ? gradient : (named.gradient ?? null);
    const retain = named === retainGraph ? named.retainGraph : (retainGraph ?? named.retainGraph);
    const only = wantedInputs('backward', inputs ?? named.inputs);
    const options = runOptions('backward', createGraph ?? named.createGraph, retain, only);
    runBackward([this], [rootGradient('backward', this, g)], options);
  }
  /** Keeps the gradient of a tensor that is no leaf. */
  retainGrad(): void {
    const node = gradFnOf(this);
    if (node === null) {
      if (this.leafGrad) return;
      throw new TenfoldError('graph', "retainGrad: this tensor doesn't require grad");
    }
    leafMeta(this).retainsGrad = true;
    (node.retain ??= [])[this.nr] = this;
  }
  /** Whether retainGrad() was called on this non-leaf. */
  get retainsGrad(): boolean {
    return this.meta?.retainsGrad === true;
  }
  /** Calls `hook` with this tensor's gradient in backward; what it returns replaces the gradient. */
  registerHook(hook: Hook): { remove(): void } {
    if (typeof hook !== 'function') throw new TypeError(`registerHook: expected a function, got ${show(hook)}`);
    if (!this.requiresGrad) throw new TenfoldError('graph', "registerHook: this tensor doesn't require grad");
    const node = gradFnOf(this);
    let hooks: Map<number, Hook>;
    if (node === null) hooks = leafMeta(this).hooks ??= new Map();
    else hooks = (node.hooks ??= [])[this.nr] ??= new Map();
    const id = nextHook++;
    hooks.set(id, hook);
    return { remove: () => void hooks.delete(id) };
  }
  /**
   * Calls `hook` with this leaf after its gradient has been accumulated: in the midst of backward, as soon as nothing more can come
   * to it. An optimizer's step in a hook needs one gradient's memory at a time. See torch.Tensor.register_post_accumulate_grad_hook.
   */
  registerPostAccumulateGradHook(hook: (leaf: Tensor) => void): { remove(): void } {
    if (!this.leafGrad)
      throw new TenfoldError('graph', 'registerPostAccumulateGradHook: only for leaves that require grad');
    if (typeof hook !== 'function')
      throw new TypeError(`registerPostAccumulateGradHook: expected a function, got ${show(hook)}`);
    const hooks = (leafMeta(this).postHooks ??= new Map());
    const id = nextHook++;
    hooks.set(id, hook);
    postHooks.count++;
    return { remove: () => void (hooks.delete(id) && postHooks.count--) };
  }
  /** A tensor of the same memory outside the graph. In-place changes of either are seen by both, and by backward. */
  detach(): Tensor {
    return this.alias();
  }
  /** Takes this tensor out of its graph; it becomes a leaf. */
  detach_(): this {
    if (this.base !== null)
      throw new TenfoldError('inplace', 'detach_: a view can’t be detached in place; use detach()');
    this.node = null;
    this.nr = 0;
    this.leafGrad = false;
    return this;
  }
  /** The same memory outside the graph, with in-place changes that backward doesn't notice. Prefer detach(). */
  get data(): Tensor {
    const view = this.alias();
    view.#storage = secondStorage(this.storage);
    return view;
  }

  // ---- reading -------------------------------------------------------------------------------------------------------

  /**
   * Value of a tensor with one element: a number, or a boolean for bool (`mask.any().item<boolean>()`). An int64 beyond
   * 2^53 throws; `itemBigInt()` reads it.
   */
  item(): number;
  item<T extends number | boolean>(): T;
  item(): number | boolean {
    if (this.#count !== 1) {
      throw new TenfoldError(
        'shape',
        `item: a tensor of ${this.count} elements has no single value; shape [${this.shape}]`,
      );
    }
    if (this.#storage.guarded) checkTensor('item', this);
    return readElement(this, this.#offset);
  }
  /** Value of an int64 tensor with one element, exactly. */
  itemBigInt(): bigint {
    if (this.count !== 1) {
      throw new TenfoldError(
        'shape',
        `itemBigInt: a tensor of ${this.count} elements has no single value; shape [${this.shape}]`,
      );
    }
    checkTensor('itemBigInt', this);
    if (capture !== null) capture.touches(this.storage);
    return this.code === Code.i64
      ? new BigInt64Array(storageBuffer(this), this.byteStart(this.offset), 1)[0]!
      : BigInt(this.item());
  }
  /**
   * Elements as nested arrays; a number for a 0-dim tensor. An int64 beyond 2^53 throws; with `bigint` those of an int64 tensor
   * are bigints.
   */
  tolist(options: { bigint?: boolean } = {}): Nested {
    checkOptions('tolist', options, ['bigint']);
    return this.nested('tolist', options.bigint ?? false, 'tolist({ bigint: true }) gives bigints');
  }
  private nested(call: string, bigint: boolean, instead: string): Nested {
    checkTensor(call, this);
    const flat = this.denseFor(call);
    const exact = bigint && this.code === Code.i64 ? (elementsOf(flat) as BigInt64Array) : null;
    let at = 0;
    const build = (dim: number): Nested => {
      if (dim === this.shape.length) {
        const i = at++;
        return exact === null ? readElement(flat, flat.offset + i, call, instead) : exact[i]!;
      }
      return Array.from({ length: this.shape[dim]! }, () => build(dim + 1));
    };
    return build(0);
  }
  /** A dense copy of the elements: Float32Array for float32, BigInt64Array for int64, Uint8Array for bool, …; halves as Float32Array. */
  toTypedArray(): TypedArray {
    checkTensor('toTypedArray', this);
    const half = this.code >= Code.f16;
    const source = half ? tensorOps.cast(this, Code.f32) : this.denseFor('toTypedArray');
    return elementsOf(source).slice() as TypedArray;
  }
  /**
   * The tensor's own memory as a typed array; contiguous tensors only. Halves show as Uint16Array of their bits. Its buffer
   * holds this tensor (and its views) alone: it may be sent to another thread, and transferred, after which using the
   * tensor is an error.
   */
  asTypedArray(): TypedArray {
    if (!this.dense)
      throw new TenfoldError(
        'shape',
        'asTypedArray: the tensor is not contiguous; use toTypedArray(), or contiguous() first',
      );
    checkTensor('asTypedArray', this);
    handOut(this.storage);
    return elementsOf(this);
  }
  /** Rows along the first dim. */
  *[Symbol.iterator](): IterableIterator<Tensor> {
    if (this.shape.length === 0) throw new TypeError('iterator: a 0-dim tensor is not iterable; use item()');
    for (let i = 0; i < this.shape[0]!; i++) yield this.select(0, i);
  }
  /** Size of the first dim, as Python's len(). */
  get length(): number {
    return this.shape.length === 0 ? 0 : this.shape[0]!;
  }
  /** What PyTorch prints. */
  override toString(): string {
    checkTensor('toString', this);
    return formatTensor(this);
  }
  /** For console.log and error reports, which must not fail over a tensor that is gone. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    try {
      return this.toString();
    } catch (error) {
      if (!(error instanceof TenfoldError && error.code === 'freed')) throw error;
      return `tensor(freed, size=(${this.shape.join(', ')}), dtype=${this.dtype})`;
    }
  }
  /** Nested arrays, so that JSON.stringify works. */
  toJSON(): Nested {
    return this.nested('toJSON', false, "JSON's numbers have no more; write tolist({ bigint: true }) as strings");
  }
  /** A number in arithmetic with one-element tensors (`Number(t)`, `+t`), the printed tensor in strings. */
  [Symbol.toPrimitive](hint: string): string | number {
    return hint === 'number' ? Number(this.item()) : this.toString();
  }

  // ---- memory --------------------------------------------------------------------------------------------------------

  /** Frees the memory at once, for this tensor and all that share it; using one of them later is an error. */
  dispose(): void {
    checkWritable('dispose', this.storage);
    release(this.storage);
  }
  [Symbol.dispose](): void {
    this.dispose();
  }
  /**
   * Moves this tensor's memory, and with it that of all tensors that show it, to a SharedArrayBuffer, which other threads can
   * have without a copy; returns the tensor. A typed array that it was made over is not its memory any more.
   * See torch.Tensor.share_memory_, and docs/shared.md for who may write when.
   */
  shareMemory_(): this {
    checkTensor('shareMemory_', this);
    shareStorage(this.#storage);
    return this;
  }
  /** Whether the memory is one that other threads can have. See torch.Tensor.is_shared. */
  isShared(): boolean {
    checkTensor('isShared', this);
    return isShared(this.#storage);
  }
  /**
   * A plain object for postMessage or workerData, of which `fromShared` makes a tensor over the same memory in another thread.
   * Moves the memory first, where it is not shared yet.
   */
  toShared(): SharedTensor {
    return sharedOf(this.shareMemory_());
  }
  /** Byte position, in the buffer, of an element of the storage. @internal */
  byteStart(element: number): number {
    return this.#storage.byteOffset + element * SIZE[this.#code]!;
  }
}

// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging, @typescript-eslint/no-empty-object-type
export interface Tensor extends Methods<typeof ops> {}

/**
 * Makes the prototype of a class of tensors one itself, whose memory is gone: debuggers and mocking libraries read all its
 * properties, and the getters find what they look for.
 */
export function standForGone(prototype: Tensor): void {
  function Returns(): Tensor {
    return prototype;
  }
  Object.setPrototypeOf(Tensor, Returns);
  const gone = new Storage(new ArrayBuffer(0), 0, SIZE[Code.f32]!, 0, null);
  release(gone);
  new Tensor(gone, 0, SCALAR_SHAPE, SCALAR_SHAPE, Code.f32, 1, true, null);
  Object.setPrototypeOf(Tensor, Stamped);
  for (const name of Object.keys(prototype)) Object.defineProperty(prototype, name, { enumerable: false });
}
standForGone(Tensor.prototype);

// What describes a tensor can't be assigned: JavaScript would ignore it, or not say what would do.
const INSTEAD: Record<string, string> = {
  dtype: "; to('float64') gives a tensor of another dtype",
  data: '; copy_() within noGrad() changes its elements',
  shape: '; reshape() gives a tensor of another shape',
};
for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(Tensor.prototype))) {
  if (descriptor.get === undefined || descriptor.set !== undefined) continue;
  descriptor.set = () => {
    throw new TypeError(`${name}: a tensor's ${name} can't be assigned${INSTEAD[name] ?? ''}`);
  };
  // `data` is overridden by Parameter; the rest stays as it is.
  Object.defineProperty(Tensor.prototype, name, { ...descriptor, configurable: false });
}

/** Whether a tensor shares the memory of one in a list, or in lists within it. */
function showsOneOf(t: Tensor, list: readonly unknown[]): boolean {
  for (let i = 0; i < list.length; i++) {
    const x = list[i];
    if (x instanceof Tensor ? x.storage === t.storage : Array.isArray(x) && showsOneOf(t, x)) return true;
  }
  return false;
}

/** Address of a tensor's first element; refuses freed and detached memory. */
export const addressOf = (t: Tensor): number => Tensor.addressOf(t);

/** The memory, to be looked at while the tensor is in use. A view that may outlive it needs `expose` or `handOut` (storage.ts). */
export function storageBuffer(t: Tensor): ArrayBufferLike {
  checkOwn(t);
  if (t.storage.guarded) checkStorage(t.storage);
  addressing();
  return bufferOf(t.storage);
}

/** Refuses what isn't a tensor, for calls without a schema, whose arguments JavaScript doesn't check. */
export function checkIsTensor(call: string, name: string, x: unknown): asserts x is Tensor {
  if (!isTensor(x))
    throw new TypeError(
      `${call}: '${name}' must be a tensor, got ${show(x)}${isData(x) ? '; wrap it in tensor(…)' : ''}`,
    );
}
const isData = (x: unknown): boolean => Array.isArray(x) || ArrayBuffer.isView(x);

/** Refuses freed and detached memory, in the name of a call. */
export function checkTensor(call: string, t: Tensor): void {
  checkOwn(t);
  if (t.storage.guarded) {
    try {
      checkStorage(t.storage);
    } catch (error) {
      throw naming(call, error);
    }
  }
}

/**
 * Options of a run of backward, with defaults; into `.grad` where `accumulate`. A switch such as 'false' would count as true,
 * and is refused. (One literal, for all runs to have one shape: spread, it made small backward passes a quarter slower.)
 */
export function runOptions(
  call: string,
  createGraph: unknown,
  retainGraph: unknown,
  inputs: readonly Tensor[] | null,
  accumulate = inputs !== null,
): RunOptions {
  const create = createGraph ?? false;
  const retain = retainGraph ?? create;
  if (typeof create !== 'boolean') throw new TypeError(`${call}: createGraph must be a boolean, got ${show(create)}`);
  if (typeof retain !== 'boolean') throw new TypeError(`${call}: retainGraph must be a boolean, got ${show(retain)}`);
  return { retainGraph: retain, createGraph: create, inputs, accumulate };
}

/** The tensors that backward is limited to, null for all leaves. Those that are no leaves keep their gradients from now on. */
export function wantedInputs(call: string, inputs: unknown): readonly Tensor[] | null {
  if (inputs === undefined || inputs === null) return null;
  const list: unknown[] = inputs instanceof Tensor ? [inputs] : Array.isArray(inputs) ? inputs : [];
  if (list.length === 0)
    throw new TypeError(`${call}: inputs must be a tensor or a list of at least one, got ${show(inputs)}`);
  list.forEach((t, i) => {
    if (!(t instanceof Tensor)) throw new TypeError(`${call}: inputs[${i}] must be a tensor, got ${show(t)}`);
    if (!t.requiresGrad) throw new TenfoldError('graph', `${call}: inputs[${i}] doesn't require grad`);
    t.retainGrad();
  });
  return list as Tensor[];
}

/** Gradient that backward starts from: what was given, checked, or 1 for a single element. */
export function rootGradient(call: string, root: Tensor, gradient: Tensor | null): Tensor {
  if (gradient !== null && !(gradient instanceof Tensor))
    throw new TypeError(`${call}: a gradient must be a tensor, got ${show(gradient)}`);
  if (!root.requiresGrad) {
    throw new TenfoldError('graph', `${call}: the tensor doesn't require grad and has no gradFn: nothing was recorded`);
  }
  if (gradient === null) {
    if (root.count !== 1) {
      throw new TenfoldError(
        'graph',
        `${call}: a gradient can be left out only for a single element; this tensor has shape [${root.shape}]`,
      );
    }
    const one = Tensor.raw(root.shape, root.code);
    fillElements(one, 1);
    return one;
  }
  if (!sameShape(gradient.shape, root.shape)) {
    throw new TenfoldError(
      'shape',
      `${call}: a gradient of shape [${gradient.shape}] for a tensor of shape [${root.shape}]`,
    );
  }
  return gradient.code === root.code ? gradient : tensorOps.cast(gradient, root.code);
}

tensorOps.isTensor = (x): x is Tensor => x instanceof Tensor;
ownTensors.are = isTensor;
tensorOps.alias = (t) => t.alias();
tensorOps.clone = (t) => (mode.grad ? t.clone() : t.rawClone());
tensorOps.cast = (t, code) => t.to(DTYPES[code]!);
tensorOps.add = (a, b) => a.add(b);
tensorOps.addInto = (a, b) => {
  const before = mode.grad;
  mode.grad = false;
  try {
    return a.add_(b);
  } finally {
    mode.grad = before;
  }
};
tensorOps.sumTo = (t, shape) => {
  const shift = t.shape.length - shape.length;
  const dims: number[] = [];
  for (let i = 0; i < t.shape.length; i++) if (i < shift || (shape[i - shift] === 1 && t.shape[i] !== 1)) dims.push(i);
  const summed = dims.length > 0 ? t.sum(dims, true) : t;
  return shift > 0 ? summed.reshape(shape) : summed;
};
tensorOps.hasNaN = (t) => t.isnan().any().item<boolean>();
