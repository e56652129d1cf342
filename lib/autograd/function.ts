/** User-defined differentiable functions. */
import { TenfoldError, show } from '../errors.js';
import { isFloatCode } from '../dtype.js';
import { Tensor } from '../tensor/tensor.js';
import { mode } from './mode.js';
import { edgeOf } from './engine.js';
import { Node, unpack, type BackwardRule, type Edge } from './graph.js';
import { asList } from './gradients.js';
import { leafMeta, tensorOps } from './meta.js';
import { packSaved, withSaved } from './saved.js';

/** What forward hands to backward. */
export class FunctionContext {
  /** Anything else that backward needs. */
  [key: string]: unknown;
  private saved_: readonly (Tensor | null)[] = [];
  private node_: Node | null = null;
  /** Which inputs need a gradient, in the order of apply()'s arguments. */
  needsInputGrad: boolean[] = [];
  private nonDifferentiable_ = new Set<Tensor>();
  private dirty_ = new Set<Tensor>();
  private materialize_ = true;

  /** Keeps tensors for backward; they are checked to be unchanged there. Call it once. */
  saveForBackward(...tensors: (Tensor | null)[]): void {
    this.saved_ = tensors;
  }
  /** The kept tensors. */
  get savedTensors(): Tensor[] {
    const node = this.node_;
    if (node === null) return this.saved_ as Tensor[];
    return withSaved(node, () => this.saved_.map((_, i) => unpack(node, 2 * i) as Tensor));
  }
  /** Marks outputs that have no gradient. */
  markNonDifferentiable(...tensors: Tensor[]): void {
    this.nonDifferentiable_ = new Set(tensors);
  }
  /** Says which arguments forward changed in place; it must return each of them. */
  markDirty(...tensors: Tensor[]): void {
    for (const t of tensors)
      if (!(t instanceof Tensor)) throw new TypeError(`markDirty: expected tensors, got ${show(t)}`);
    this.dirty_ = new Set(tensors);
  }
  /** Whether gradients that didn't arrive are zeros (as it starts) or null. */
  setMaterializeGrads(value: boolean): void {
    this.materialize_ = value;
  }

  static attach(ctx: FunctionContext, node: Node): void {
    node.saved = ctx.saved_.flatMap((t) => [t, t instanceof Tensor ? t.storage.version : -1]);
    ctx.node_ = node;
    ctx.saved_ = ctx.saved_.map(() => null); // the node has them now, or what hooks make of them
    packSaved(node);
  }
  static nonDifferentiable(ctx: FunctionContext): ReadonlySet<Tensor> {
    return ctx.nonDifferentiable_;
  }
  static dirty(ctx: FunctionContext): ReadonlySet<Tensor> {
    return ctx.dirty_;
  }
  static materializes(ctx: FunctionContext): boolean {
    return ctx.materialize_;
  }
}

interface FunctionClass {
  name: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the arguments are the user's
  forward(ctx: FunctionContext, ...args: any[]): Tensor | Tensor[];
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  backward(ctx: FunctionContext, ...grads: any[]): Tensor | null | (Tensor | null)[];
}

/**
 * Base of user-defined functions: give it static `forward(ctx, ...args)` and `backward(ctx, ...grads)`, which returns one
 * gradient per argument (null for those without), and call `apply`. See torch.autograd.Function.
 *
 *     class Square extends autograd.Function {
 *       static forward(ctx, x) { ctx.saveForBackward(x); return x.mul(x); }
 *       static backward(ctx, grad) { const [x] = ctx.savedTensors; return grad.mul(x).mul(2); }
 *     }
 *     Square.apply(tensor([3], { requiresGrad: true }));
 */
export class Function {
  static forward(ctx: FunctionContext, ...args: unknown[]): Tensor | Tensor[] {
    void [ctx, args];
    throw new TenfoldError('value', `${this.name}: define static forward(ctx, ...args)`);
  }
  static backward(ctx: FunctionContext, ...grads: unknown[]): Tensor | null | (Tensor | null)[] {
    void [ctx, grads];
    throw new TenfoldError('value', `${this.name}: define static backward(ctx, ...grads)`);
  }
  /** Runs forward without recording its inside, and records this function as one node. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the result is what the user's forward returns
  static apply(...args: unknown[]): any {
    const rule = this as unknown as FunctionClass;
    const ctx = new FunctionContext();
    const edges = args.map((x) => (x instanceof Tensor && isFloatCode(x.code) ? edgeOf(x) : null));
    ctx.needsInputGrad = edges.map((e) => e !== null);
    const recording = mode.grad && edges.some((e) => e !== null);
    const before = mode.grad;
    mode.grad = false;
    let out: Tensor | Tensor[];
    try {
      out = rule.forward(ctx, ...args);
    } finally {
      mode.grad = before;
    }
    const list = asList(out);
    for (const t of list) {
      if (!(t instanceof Tensor))
        throw new TypeError(`${rule.name}: forward must return a tensor or a list of them, got ${show(t)}`);
    }
    checkDirty(rule.name, FunctionContext.dirty(ctx), args, list, recording);
    if (!recording) return out;
    const results = recordUser(rule, ctx, args, list, edges);
    return out instanceof Tensor ? results[0]! : results;
  }
}

/** Refuses marks of markDirty that the graph can't follow. */
function checkDirty(
  name: string,
  dirty: ReadonlySet<Tensor>,
  args: readonly unknown[],
  results: readonly Tensor[],
  recording: boolean,
): void {
  for (const t of dirty) {
    if (!args.includes(t))
      throw new TenfoldError('inplace', `${name}: markDirty was given a tensor that is no argument`);
    if (!results.includes(t)) {
      throw new TenfoldError('inplace', `${name}: forward must return every argument that it marks as dirty`);
    }
    if (!recording) continue;
    tensorOps.checkLeaf(name, t);
    if (t.base !== null && (results.length > 1 || args[0] !== t)) {
      throw new TenfoldError(
        'inplace',
        `${name}: a view that is marked as dirty must be the first argument and the only result; mark its base, or a clone()`,
      );
    }
  }
}

/** Puts one node behind the results of a user's forward. */
function recordUser(
  rule: FunctionClass,
  ctx: FunctionContext,
  args: readonly unknown[],
  list: readonly Tensor[],
  edges: (Edge | null)[],
): Tensor[] {
  const node = new Node(new UserRule(rule, ctx), edges);
  node.outputs = list.map((t) => ({ shape: t.shape, code: t.code }));
  const excluded = FunctionContext.nonDifferentiable(ctx);
  const dirty = FunctionContext.dirty(ctx);
  const inputs = args.filter((x) => x instanceof Tensor);
  const shows = (t: Tensor, others: readonly Tensor[]): boolean =>
    others.some((x) => x !== t && x.storage === t.storage);
  const results = list.map((t, nr) => {
    if (!isFloatCode(t.code) || excluded.has(t)) return t;
    if (dirty.has(t)) {
      tensorOps.rebaseHistory(t, node, nr);
      return t;
    }
    // An input that forward returned as it was becomes a view of itself; one of its memory, or of another result's, has
    // a node of its own for as long as nobody changes that memory in place.
    if (inputs.includes(t)) return t.opaqueView(node, nr);
    const outside = shows(t, inputs) || shows(t, list) || t.base?.requiresGrad === true;
    if (!outside) t.standAlone([]);
    t.leafGrad = false;
    t.setNode(node, nr);
    if (outside) leafMeta(t).opaque = node.name;
    return t;
  });
  FunctionContext.attach(ctx, node);
  return results;
}

class UserRule implements BackwardRule {
  readonly gradName: string;
  readonly escapes = true;
  constructor(
    private readonly user: FunctionClass,
    private readonly ctx: FunctionContext,
  ) {
    this.gradName = `${user.name}Backward`;
  }
  backward(node: Node, grads: (Tensor | null)[]): (Tensor | null)[] {
    if (node.saved === null) unpack(node, 0);
    const full = FunctionContext.materializes(this.ctx)
      ? node.outputs!.map((o, i) => grads[i] ?? Tensor.zeros(o.shape, o.code))
      : grads;
    const result = this.user.backward(this.ctx, ...full);
    const list = Array.isArray(result) ? result : [result];
    if (list.length !== node.edges.length) {
      throw new TenfoldError(
        'graph',
        `${this.gradName}: returned ${list.length} gradients for ${node.edges.length} arguments`,
      );
    }
    list.forEach((g, i) => {
      if (g !== null && g !== undefined && !(g instanceof Tensor)) {
        throw new TypeError(`${this.gradName}: gradient ${i} must be a tensor or null, got ${show(g)}`);
      }
    });
    return list.map((g) => g ?? null);
  }
}
