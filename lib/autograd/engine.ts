/**
 * The engine. Gradients flow to nodes by falling id (ids rise with creation, so whatever feeds a node has run before
 * it), iteratively: a chain of 100,000 ops is no deeper than one of three. The first contribution to a gradient is
 * stored, later ones are added. Formulas never repair shapes or dtypes: that happens here, once.
 *
 * Memory: what a formula allocates and doesn't return is given back when it ends, and a gradient when the last node that
 * it went to has run. Only where nobody else can have seen it: not under createGraph, and not past a hook or a user's
 * Function.
 */
import { TenfoldError, show } from '../errors.js';
import { timed, timer } from '../native/timer.js';
import { capture } from '../tensor/capture.js';
import { recordAllocations, release, type Storage } from '../tensor/storage.js';
import { sameShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { mode } from './mode.js';
import { unpack, type Edge, type Hook, type Node } from './graph.js';
import { gradFnOf, leafMeta, postHooks, sumToShape, tensorOps } from './meta.js';
import { enterBackward } from './saved.js';

const isObject = (x: unknown): boolean => typeof x === 'object' && x !== null;

/** What a run of the engine is asked for. */
export interface RunOptions {
  retainGraph: boolean;
  createGraph: boolean;
  /** Tensors whose gradients are returned; null: accumulate into the leaves' `.grad`. */
  inputs: readonly Tensor[] | null;
  /** With inputs: add to their `.grad` instead of returning. */
  accumulate: boolean;
}

/** A leaf whose gradient is handed over as soon as it is whole. */
interface EarlyLeaf {
  readonly leaf: Tensor;
  /** The lowest id among the nodes that feed it: when that one has run, nothing more comes. */
  readonly last: number;
}

class Run {
  /** Nodes that have received a gradient, a heap by falling id. */
  private readonly heap: Node[] = [];
  private readonly pending = new Map<Node, (Tensor | null)[]>();
  private readonly leaves = new Map<Tensor, Tensor>();
  /** Leaves that somebody waits for in the midst of the run, by rising id of what feeds them last. */
  private early: EarlyLeaf[] | null = null;
  /** What is called when all gradients have arrived. */
  private readonly callbacks: (() => void)[] = [];
  /** Nodes that lead to the wanted inputs, where only some are wanted. */
  private wanted: Set<Node> | null = null;
  /** Places in `captured` of a node's outputs and of leaves: several where an input is given several times. */
  private captureAt: Map<Node, Map<number, number[]>> | null = null;
  private captureLeaf: Map<Tensor, number[]> | null = null;
  private readonly captured: (Tensor | null)[] = [];
  /** Memory that this run made and nobody else has seen; made with the first large one, as most runs have none. */
  private owned: Set<Storage> | null = null;
  private readonly recycle: boolean;

  constructor(private readonly options: RunOptions) {
    this.recycle = !options.createGraph;
  }

  run(roots: readonly Tensor[], grads: readonly Tensor[]): (Tensor | null)[] {
    const { inputs } = this.options;
    if (capture !== null) capture.backward();
    if (inputs) this.findWanted(roots, inputs);
    roots.forEach((root, i) => this.send(edgeOf(root), grads[i]!));
    const before = mode.grad;
    mode.grad = this.options.createGraph;
    const outer = enterBackward(this);
    const outerRun = enter(this);
    try {
      if (postHooks.count > 0) this.findEarly(roots);
      for (let node = this.pop(); node !== undefined; node = this.pop()) {
        this.visit(node);
        if (this.early !== null) this.arriveEarly(this.early);
      }
      for (const [leaf, grad] of this.leaves) this.arrive(leaf, grad);
      for (const callback of this.callbacks) callback();
      if (this.captured.length > 0) this.separate(grads);
    } finally {
      enter(outerRun);
      enterBackward(outer);
      mode.grad = before;
    }
    return this.captured;
  }
  whenDone(callback: () => void): void {
    this.callbacks.push(callback);
  }

  /** Leaves with hooks behind their accumulation, and the node that feeds each last. */
  private findEarly(roots: readonly Tensor[]): void {
    const last = new Map<Tensor, number>();
    for (const node of nodesBelow(roots)) {
      for (const e of node.edges) {
        const leaf = e?.leaf;
        if (leaf && (leaf.meta?.postHooks?.size ?? 0) > 0) last.set(leaf, Math.min(last.get(leaf) ?? node.id, node.id));
      }
    }
    if (last.size > 0) this.early = [...last].map(([leaf, id]) => ({ leaf, last: id })).sort((a, b) => a.last - b.last);
  }
  /** Ids fall during a run: what is fed by no node from the next one on is whole. */
  private arriveEarly(early: EarlyLeaf[]): void {
    const next = this.heap[0]?.id ?? -1;
    while (early.length > 0 && early.at(-1)!.last > next) {
      const { leaf } = early.pop()!;
      const grad = this.leaves.get(leaf);
      if (grad === undefined) continue;
      this.leaves.delete(leaf);
      this.arrive(leaf, grad);
    }
  }

  /** What is returned shares no memory among itself, nor with the gradients given: it may be changed in place. */
  private separate(given: readonly Tensor[]): void {
    const { captured } = this;
    const seen = new Set<Storage>();
    for (const g of given) seen.add(g.storage);
    for (let i = 0; i < captured.length; i++) {
      const grad = captured[i]!;
      if (grad === null) continue;
      if (seen.has(grad.storage)) captured[i] = tensorOps.clone(grad);
      else seen.add(grad.storage);
    }
  }

  private visit(node: Node): void {
    const grads = this.pending.get(node)!;
    this.pending.delete(node);
    const arrived = this.recycle ? [...grads] : null;
    if (node.hooks !== null || node.retain !== null) this.callHooks(node, grads);
    const captures = this.captureAt?.get(node);
    if (captures) {
      for (const [nr, places] of captures) this.capture(places, grads[nr] ?? null);
    }
    if (this.wanted === null || this.wanted.has(node)) this.callRule(node, grads);
    if (arrived) for (const g of arrived) if (g !== null) this.unref(g);
  }

  private callRule(node: Node, grads: (Tensor | null)[]): void {
    const { edges, rule } = node;
    const needs = new Array<boolean>(edges.length);
    for (let i = 0; i < edges.length; i++) {
      const e = edges[i]!;
      needs[i] =
        e !== null &&
        (this.wanted === null || (e.node === null ? this.captureLeaf!.has(e.leaf!) : this.leadsOn(e.node, e.nr)));
    }
    if (rule.escapes) for (const g of grads) this.disown(g);
    const log: Storage[] | null = this.recycle && !rule.escapes ? [] : null;
    const outer = recordAllocations(log);
    let results: (Tensor | null)[];
    try {
      results =
        timer === null
          ? rule.backward(node, grads, needs)
          : timed(timer, 'backward', node.name, () => rule.backward(node, grads, needs));
      for (let i = 0; i < edges.length; i++) {
        const e = edges[i]!;
        const grad = needs[i] ? results[i] : null;
        results[i] = grad === null || grad === undefined ? null : fitGradient(node, e!, grad);
      }
    } finally {
      recordAllocations(outer);
    }
    if (mode.anomaly) checkNaN(node, results);
    if (log !== null && log.length > 0) {
      this.owned ??= new Set();
      for (const storage of log) this.owned.add(storage);
    }
    for (let i = 0; i < edges.length; i++) {
      const grad = results[i];
      if (grad) this.send(edges[i]!, grad);
    }
    if (log !== null) {
      for (const storage of log) {
        if (storage.engineRefs === 0 && this.owned!.delete(storage)) release(storage);
      }
    }
    // A node that saved no tensor can run again, as in PyTorch: what two losses share may be a mere sum.
    if (!this.options.retainGraph && node.saved?.some(isObject)) {
      node.saved = null;
      if (rule.done !== undefined) rule.done();
    }
  }

  private leadsOn(node: Node, nr: number): boolean {
    return this.wanted!.has(node) || this.captureAt!.get(node)?.has(nr) === true;
  }

  /** Adds a gradient to what has arrived at an edge's end. */
  private send(edge: Edge | null, grad: Tensor): void {
    if (edge === null) return;
    const { node, leaf } = edge;
    if (node === null) {
      const before = this.leaves.get(leaf!);
      this.leaves.set(leaf!, before === undefined ? this.ref(grad) : this.sum(before, grad));
      return;
    }
    let list = this.pending.get(node);
    if (list === undefined) {
      const outputs = node.outputs === null ? 1 : node.outputs.length;
      list = new Array<Tensor | null>(outputs).fill(null);
      this.pending.set(node, list);
      this.push(node);
    }
    const before = list[edge.nr]!;
    list[edge.nr] = before === null ? this.ref(grad) : this.sum(before, grad);
  }

  private sum(a: Tensor, b: Tensor): Tensor {
    // Into the first contribution's own memory where nobody else reads it.
    if (
      this.recycle &&
      this.owned?.has(a.storage) === true &&
      a.storage.engineRefs === 1 &&
      a.dense &&
      a.storage !== b.storage
    ) {
      const total = tensorOps.addInto(a, b);
      if (b.storage.engineRefs === 0 && this.owned?.delete(b.storage)) release(b.storage);
      return total;
    }
    const outer = recordAllocations(null);
    const total = tensorOps.add(a, b);
    recordAllocations(outer);
    if (this.recycle && total.storage.owned) (this.owned ??= new Set()).add(total.storage);
    this.ref(total);
    this.unref(a);
    if (b.storage.engineRefs === 0 && this.owned?.delete(b.storage)) release(b.storage);
    return total;
  }

  private ref(grad: Tensor): Tensor {
    if (this.recycle) grad.storage.engineRefs++;
    return grad;
  }
  private unref(grad: Tensor): void {
    if (!this.recycle) return;
    const { storage } = grad;
    if (--storage.engineRefs <= 0) {
      storage.engineRefs = 0;
      if (this.owned?.delete(storage)) release(storage);
    }
  }
  /** Somebody outside the engine sees this gradient from now on. */
  private disown(grad: Tensor | null): void {
    if (grad !== null) this.owned?.delete(grad.storage);
  }
  private capture(places: readonly number[], grad: Tensor | null): void {
    this.disown(grad);
    for (const at of places) this.captured[at] = grad;
  }

  private callHooks(node: Node, grads: (Tensor | null)[]): void {
    node.hooks?.forEach((hooks, nr) => {
      const grad = grads[nr];
      if (grad && hooks) {
        this.disown(grad);
        grads[nr] = applyHooks(hooks, grad);
      }
    });
    node.retain?.forEach((tensor, nr) => {
      const grad = grads[nr];
      if (tensor && grad) {
        this.disown(grad);
        accumulateGrad(tensor, grad, this.options.createGraph, false);
      }
    });
  }

  private arrive(leaf: Tensor, total: Tensor): void {
    const meta = leafMeta(leaf);
    let grad = total;
    if (meta.hooks !== null && meta.hooks.size > 0) {
      this.disown(grad);
      grad = applyHooks(meta.hooks, grad);
    }
    const places = this.captureLeaf?.get(leaf);
    if (places !== undefined) this.capture(places, grad);
    if (this.options.inputs !== null && !(this.options.accumulate && places !== undefined)) {
      this.unref(total);
      return;
    }
    const steal = this.owned?.has(grad.storage) === true && grad.storage.engineRefs === 1;
    // A leaf may have been frozen since its use.
    if (leaf.leafGrad && accumulateGrad(leaf, grad, this.options.createGraph, steal)) this.owned?.delete(grad.storage);
    this.unref(total); // other leaves may still wait for the same memory
    if (leaf.leafGrad && meta.postHooks !== null) for (const hook of meta.postHooks.values()) hook(leaf);
  }

  private findWanted(roots: readonly Tensor[], inputs: readonly Tensor[]): void {
    const captureAt = (this.captureAt = new Map<Node, Map<number, number[]>>());
    const captureLeaf = (this.captureLeaf = new Map<Tensor, number[]>());
    const add = <K>(map: Map<K, number[]>, key: K, place: number): void => {
      const places = map.get(key);
      if (places === undefined) map.set(key, [place]);
      else places.push(place);
    };
    inputs.forEach((input, place) => {
      this.captured.push(null);
      const node = gradFnOf(input);
      if (node === null) add(captureLeaf, input, place);
      else {
        let at = captureAt.get(node);
        if (!at) captureAt.set(node, (at = new Map()));
        add(at, input.nr, place);
      }
    });
    // By rising id: a node leads on if one of its edges ends in a target or leads on.
    const wanted = new Set<Node>();
    for (const node of nodesBelow(roots).sort((a, b) => a.id - b.id)) {
      for (const e of node.edges) {
        if (e === null) continue;
        if (e.node === null ? captureLeaf.has(e.leaf!) : wanted.has(e.node) || captureAt.get(e.node)?.has(e.nr)) {
          wanted.add(node);
          break;
        }
      }
    }
    this.wanted = wanted;
  }

  private push(node: Node): void {
    const heap = this.heap;
    let i = heap.push(node) - 1;
    while (i > 0) {
      const up = (i - 1) >> 1;
      if (heap[up]!.id >= node.id) break;
      heap[i] = heap[up]!;
      i = up;
    }
    heap[i] = node;
  }
  private pop(): Node | undefined {
    const heap = this.heap;
    const top = heap[0];
    const last = heap.pop();
    if (heap.length === 0 || last === undefined) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.id > heap[child]!.id) child++;
      if (last.id >= heap[child]!.id) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
    return top;
  }
}

/** The run under way; the innermost one, where a formula calls backward. */
let current: Run | null = null;
function enter(run: Run | null): Run | null {
  const before = current;
  current = run;
  return before;
}

/**
 * Calls `callback` when the backward that runs now has handed over all gradients; from a hook. Nothing else is called where it fails
 * before. See torch.autograd.Variable._execution_engine.queue_callback.
 */
export function queueCallback(callback: () => void): void {
  if (current === null) throw new TenfoldError('graph', 'queueCallback: no backward runs now');
  current.whenDone(callback);
}

/** The nodes from which these tensors come, each once. */
export function nodesBelow(roots: readonly Tensor[]): Node[] {
  const seen = new Set<Node>();
  const stack = roots.map(gradFnOf).filter((n) => n !== null);
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    for (const e of node.edges) if (e?.node) stack.push(e.node);
  }
  return [...seen];
}

/** The edge along which a tensor's gradient goes, or null where it has none. */
export function edgeOf(t: Tensor): Edge | null {
  const node = gradFnOf(t);
  if (node !== null) return { node, leaf: null, nr: t.nr, shape: t.shape, code: t.code };
  return t.leafGrad ? { node: null, leaf: t, nr: 0, shape: t.shape, code: t.code } : null;
}

function applyHooks(hooks: Map<number, Hook>, grad: Tensor): Tensor {
  for (const hook of hooks.values()) {
    const result = hook(grad);
    if (result !== undefined && result !== null) {
      if (!tensorOps.isTensor(result))
        throw new TypeError(`registerHook: a hook must return a tensor or nothing, it returned ${show(result)}`);
      if (result.code !== grad.code) {
        throw new TenfoldError(
          'dtype',
          `registerHook: a hook returned a ${result.dtype} gradient for one of ${grad.dtype}`,
        );
      }
      if (!sameShape(result.shape, grad.shape)) {
        throw new TenfoldError(
          'shape',
          `registerHook: a hook returned a gradient of shape [${result.shape}] for one of [${grad.shape}]`,
        );
      }
      grad = result;
    }
  }
  return grad;
}

/** Undoes broadcasting and casts, so that a gradient is what its input is. */
function fitGradient(node: Node, edge: Edge, grad: Tensor): Tensor {
  if (!sameShape(grad.shape, edge.shape)) {
    const fitted = sumToShape(grad, edge.shape);
    if (fitted === null) {
      throw new TenfoldError(
        'shape',
        `backward: ${node} returned a gradient of shape [${grad.shape}] for an input of shape [${edge.shape}]`,
      );
    }
    grad = fitted;
  }
  return grad.code === edge.code ? grad : tensorOps.cast(grad, edge.code);
}

/** Puts a gradient into a tensor's `.grad`. Returns whether it took the gradient's own memory. */
function accumulateGrad(leaf: Tensor, grad: Tensor, createGraph: boolean, steal: boolean): boolean {
  const meta = leafMeta(leaf);
  if (capture !== null) capture.gradient(leaf, 'add');
  const before = meta.grad;
  if (before === null) {
    // Under createGraph others hold this tensor as well: a second leaf, a formula, whoever gave backward its gradient.
    if (steal && grad.dense) {
      meta.grad = kept(tensorOps.alias(grad));
      meta.gradExposed = false;
      return true;
    } else meta.grad = kept(tensorOps.clone(grad));
    meta.gradExposed = createGraph;
    return false;
  }
  if (createGraph) meta.grad = kept(tensorOps.add(before, grad));
  else tensorOps.addInto(before, grad);
  return false;
}

// A gradient in .grad outlives the memory scope that it was made in.
function kept(grad: Tensor): Tensor {
  grad.storage.kept = true;
  return grad;
}

function checkNaN(node: Node, grads: readonly (Tensor | null)[]): void {
  grads.forEach((g, i) => {
    if (g && tensorOps.hasNaN(g)) {
      throw new TenfoldError(
        'graph',
        `backward: ${node} returned NaN in gradient ${i}. The forward call was:\n${node.stack ?? '(recorded outside detectAnomaly)'}`,
      );
    }
  });
}

/** Runs backward from `roots` with these gradients. */
export function runBackward(
  roots: readonly Tensor[],
  grads: readonly Tensor[],
  options: RunOptions,
): (Tensor | null)[] {
  return new Run(options).run(roots, grads);
}

export { unpack };
