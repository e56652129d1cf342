/**
 * One recorded way through a function: what it found (guards), its program, and a call of it. Results are new tensors at each
 * call; gradients that the function left on leaves are at each call the same tensors, with new values.
 */
import { leafMeta } from '../autograd/meta.js';
import { sameShape } from '../tensor/shape.js';
import { allocate, allocateOwn, checkWritable, overlap, type Storage } from '../tensor/storage.js';
import { Tensor } from '../tensor/tensor.js';
import { SIZE } from '../dtype.js';
import { planArena, type Arena } from './arena.js';
import { Instance, addressIn, optimized, type Program } from './plan.js';
import type { Recording, TouchedLeaf } from './recording.js';
import { mapLeaves, replaced, type Flat, type OutsideGuard, type Signature } from './signature.js';
import type { Memory } from './steps.js';
import { modulesWith, type ModuleGuard } from './modules.js';

/** A tensor that a call gives back, as what it shows of which memory. */
export class ResultTensor {
  constructor(
    readonly memory: Memory,
    readonly tensor: Tensor,
    /** The argument that it is, or -1. */
    readonly argument: number,
  ) {}
}

/** What a recording becomes. */
export interface Recorded {
  readonly recording: Recording;
  readonly signature: Signature;
  readonly inputs: readonly Tensor[];
  readonly result: unknown;
  /** Tensors that the second part of the program gives: gradients of `inputs` and leaves. */
  readonly gradients: readonly (Tensor | null)[];
  /** Where the second part begins; -1 where there is none. */
  readonly split: number;
  readonly fusing: boolean;
}

/** What stands in a binding's place at each call. */
const enum Source {
  fixed,
  input,
  gradient,
  output,
}

/** A leaf's gradient after a call. */
interface GradientAfter {
  readonly leaf: Tensor;
  /** null: none. */
  readonly grad: Tensor | null;
}

/** The memory of one call's results. */
export type Outputs = Map<Memory, Storage>;

export class Entry {
  readonly signature: Signature;
  readonly program: Program;
  readonly arena: Arena;
  readonly instance: Instance;
  readonly outside: OutsideGuard[] = [];
  private readonly outsideStorages: ReadonlySet<Storage>;
  readonly modules: readonly ModuleGuard[];
  readonly leaves: readonly TouchedLeaf[];
  /** Memory from outside that a call writes. */
  readonly written: readonly Memory[];
  readonly outputs: readonly Memory[];
  /** Gradients that the second part of the program gives, and the memory that they need. */
  readonly gradientResults: readonly (ResultTensor | null)[];
  readonly gradientOutputs: readonly Memory[];
  readonly isStep: boolean;
  private readonly modes: readonly (readonly [{ training: boolean }, boolean])[];
  private readonly after: GradientAfter[] = [];
  private readonly result: unknown;
  private readonly isLive: boolean;
  /** Launches that were recorded. */
  readonly recorded: number;
  /** How often it has been replayed. */
  calls = 0;

  constructor(
    private readonly call: string,
    recorded: Recorded,
  ) {
    const { recording, signature, result, gradients, split, fusing } = recorded;
    this.signature = signature;
    this.recorded = recording.steps.length;
    this.leaves = [...recording.leaves.values()];
    this.modes = [...recording.modes] as [{ training: boolean }, boolean][];
    this.keepGradients(recording);
    this.result = replaced(result, (t) => this.output(recording, t, recorded.inputs.indexOf(t)));
    const firstOf = new Set([...recording.memories.values()].filter((m) => m.place === 'output'));
    this.gradientResults = gradients.map((t) => (t === null ? null : this.output(recording, t)));
    this.program = optimized(recording, recording.steps, split, fusing);
    const used = [...recording.memories.values()];
    for (const m of used) if (m.origin === 'inside' && m.constant && m.initial === null) m.place = 'constant';
    this.arena = planArena(this.program.steps);
    this.instance = new Instance(this.program, this.arena);
    const memories = this.instance.bindings.map((b) => b.memory);
    const later = new Set(this.gradientResults.flatMap((r) => (r === null ? [] : [r.memory])));
    const made = memories.filter((m) => m.place === 'output');
    this.outputs = made.filter((m) => !later.has(m) || firstOf.has(m));
    this.gradientOutputs = made.filter((m) => later.has(m));
    this.outside = memories
      .filter((m) => m.origin === 'outside')
      .flatMap(({ storage, others }) => [storage, ...others])
      .map((storage) => ({ storage, address: storage.address }));
    this.outsideStorages = new Set(this.outside.map((o) => o.storage));
    const changed = new Set(this.program.steps.flatMap((s) => [...s.slots, ...(s.table?.slots ?? [])].filter((x) => x.writes).map((x) => x.memory))); // prettier-ignore
    this.written = memories.filter((m) => m.origin !== 'inside' && changed.has(m));
    this.modules = modulesWith(memories.filter((m) => m.origin === 'outside').map((m) => m.storage));
    this.isLive = this.program.steps.some((s) => s.live !== null);
    this.isStep = this.after.length > 0;
    this.bindFixed(this.instance);
  }

  // ---- making ------------------------------------------------------------------------------------------------------------

  private keepGradients(recording: Recording): void {
    for (const { leaf, before } of this.leaves) {
      const grad = leaf.meta?.grad ?? null;
      if (grad === before) continue;
      this.after.push({ leaf, grad });
      if (grad === null) continue;
      const memory = recording.memoryOf(grad.storage);
      if (memory.origin === 'inside') memory.place = 'kept';
      leafMeta(leaf).gradExposed = true; // its memory is the plan's: nobody may give it away
    }
  }

  private output(recording: Recording, tensor: Tensor, argument = -1): ResultTensor {
    const memory = recording.memoryOf(tensor.storage);
    if (memory.origin === 'input' && memory.storage !== tensor.storage)
      recording.refuse(this.call, 'a result shows memory that two arguments have in common; clone() it');
    if (memory.origin === 'inside' && memory.place === 'arena') {
      memory.place = 'output';
      // What JavaScript alone has made is copied for each call.
      if (!memory.written) recording.fillIn(memory);
    }
    return new ResultTensor(memory, tensor, argument);
  }

  bindFixed(instance: Instance): void {
    instance.bindings.forEach(({ memory }, i) => {
      if (sourceOf(memory) === Source.fixed) instance.place(i, memory.storage.address);
    });
  }

  // ---- guards ------------------------------------------------------------------------------------------------------------

  /** Whether what the function found outside its arguments is as it was. */
  holds(): boolean {
    const { outside, modules, modes, leaves } = this;
    for (let i = 0; i < outside.length; i++) if (outside[i]!.storage.address !== outside[i]!.address) return false;
    for (let i = 0; i < modules.length; i++) {
      const { module, key, value } = modules[i]!;
      if (module[key] !== value) return false;
    }
    for (let i = 0; i < modes.length; i++) if (modes[i]![0].training !== modes[i]![1]) return false;
    for (let i = 0; i < leaves.length; i++) {
      const { leaf, first, before } = leaves[i]!;
      if (first === 'drop') continue;
      const now = leaf.meta === null ? null : leaf.meta.grad;
      if (before === null ? now !== null : now === null || !likeness(now, before)) return false;
    }
    return true;
  }
  /** Whether no argument is memory that the function finds elsewhere, where anything there is changed. */
  isApart({ tensors }: Flat): boolean {
    const { written, outsideStorages } = this;
    if (written.length === 0) return true;
    for (let i = 0; i < tensors.length; i++) {
      const { storage } = tensors[i]!;
      if (outsideStorages.has(storage)) return false;
      if (storage.guarded) for (const other of outsideStorages) if (overlap(storage, other)) return false;
    }
    return true;
  }
  /** Whether it can never hold again: memory that it uses has gone. */
  get isGone(): boolean {
    return this.outside.some(({ storage, address }) => storage.address !== address);
  }

  // ---- a call --------------------------------------------------------------------------------------------------------------

  /** Runs the program, or its part, on JavaScript's thread. */
  execute(tensors: readonly Tensor[], arena: Storage | null, begin: number, end: number, outputs: Outputs): void {
    const { instance, call, written } = this;
    for (let i = 0; i < written.length; i++) {
      const { origin, input, storage } = written[i]!;
      if (origin !== 'input') checkWritable(call, storage);
      else if (input < tensors.length) checkWritable(call, tensors[input]!.storage);
    }
    this.bind(instance, tensors, outputs);
    instance.useArena(arena);
    if (this.isLive) instance.refresh();
    try {
      instance.run(call, begin, end);
    } finally {
      this.raiseVersions(tensors);
    }
  }

  bind(instance: Instance, tensors: readonly Tensor[], outputs: Outputs): void {
    const { bindings } = instance;
    for (let i = 0; i < bindings.length; i++) {
      const { memory } = bindings[i]!;
      switch (sourceOf(memory)) {
        case Source.input:
          // The gradients that a backward pass begins with come later.
          if (memory.input < tensors.length) instance.place(i, addressIn(this.call, tensors[memory.input]!));
          break;
        case Source.gradient:
          instance.place(i, addressIn(this.call, memory.leaf!.meta!.grad!));
          break;
        case Source.output: {
          const storage = outputs.get(memory);
          if (storage !== undefined) instance.place(i, storage.address);
          break;
        }
        default:
      }
    }
  }

  raiseVersions(tensors: readonly Tensor[]): void {
    const { written } = this;
    for (let i = 0; i < written.length; i++) {
      const { origin, storage, others, input, leaf } = written[i]!;
      if (origin === 'input') {
        if (input >= tensors.length) continue;
        const changed = tensors[input]!.storage;
        for (const t of tensors) if (overlap(t.storage, changed)) t.storage.version++;
      } else if (origin === 'gradient') leaf!.meta!.grad!.storage.version++;
      else {
        storage.version++;
        for (const other of others) other.version++;
      }
    }
  }

  /** Memory for what a call returns. */
  newOutputs(): Outputs {
    const made: Outputs = new Map();
    for (const memory of this.outputs) made.set(memory, allocate(memory.size));
    return made;
  }

  /** Memory for what lives only in a call; the same at each call, where no backward waits for it. */
  get ownArena(): Storage | null {
    const { instance, arena } = this;
    if (instance.arena === null && arena.bytes > 0) instance.arena = allocateOwn(arena.bytes);
    return instance.arena;
  }
  get newArena(): Storage | null {
    return this.arena.bytes === 0 ? null : allocate(this.arena.bytes);
  }

  /** Puts the gradients where the function left them. */
  leaveGradients(): void {
    for (const { leaf, grad } of this.after) {
      const meta = leafMeta(leaf);
      meta.grad = grad;
      meta.gradExposed = grad !== null;
    }
  }

  /** What the function returned, over this call's memory. `built` hears which tensor stands for which recorded one. */
  results(given: Flat, outputs: Outputs, built?: (recorded: Tensor, t: Tensor) => void): unknown {
    return mapLeaves(this.result, (leaf) => {
      if (!(leaf instanceof ResultTensor)) return leaf;
      const t = shown(leaf, given.tensors, outputs);
      built?.(leaf.tensor, t);
      return t;
    });
  }
}

/** A result as a tensor over this call's memory. */
export function shown(
  { memory, tensor, argument }: ResultTensor,
  tensors: readonly Tensor[],
  outputs: Outputs,
): Tensor {
  if (argument >= 0) return tensors[argument]!;
  const { shape, strides, code, count, dense, offset } = tensor;
  if (memory.place === 'output') {
    return new Tensor(outputs.get(memory)!, offset, shape, strides, code, count, dense, null);
  }
  if (memory.origin === 'input') {
    const anchor = tensors[memory.input]!;
    const moved = anchor.offset * SIZE[anchor.code]! - memory.anchor;
    return new Tensor(anchor.storage, offset + moved / SIZE[code]!, shape, strides, code, count, dense, null);
  }
  return tensor; // from outside, or a gradient that stays
}

function sourceOf({ origin, place }: Memory): Source {
  if (origin === 'input') return Source.input;
  if (origin === 'gradient') return Source.gradient;
  return origin === 'inside' && place === 'output' ? Source.output : Source.fixed;
}

const likeness = (a: Tensor, b: Tensor): boolean =>
  a.code === b.code &&
  sameShape(a.shape, b.shape) &&
  a.dense === b.dense &&
  (a.dense || sameShape(a.strides, b.strides));
