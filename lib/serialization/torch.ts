/**
 * What pickles of PyTorch may name: the constructors of tensors, of NumPy's arrays and of Python's plain containers. The
 * list is PyTorch's own for `weights_only=True`, less what has no counterpart here; each of those is refused with what to do.
 */
import { show } from '../errors.js';
import { Code, DTYPES, SIZE, isFloatCode } from '../dtype.js';
import { MAX_DIMS } from '../tensor/shape.js';
import { NpArray, NpDtype, npArrayFrom, scalarOf } from './numpy.js';
import { PyDict, PySet, PyTuple, type Constructors } from './pickle.js';
import type { Refuse } from './reading.js';

/** A storage that tensors of a checkpoint refer to. */
export interface StorageRef {
  readonly key: string;
  /** Null: bytes without a dtype, which each tensor brings. */
  readonly code: Code | null;
  readonly nbytes: number;
}

/** A tensor, before its storage is read. */
export class TensorSpec {
  constructor(
    readonly storage: StorageRef,
    readonly code: Code,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
    readonly requiresGrad: boolean,
    readonly parameter = false,
  ) {}
}

/** A dtype of PyTorch; code null where there is none here. */
class TorchDtype {
  constructor(
    readonly name: string,
    readonly code: Code | null,
  ) {}
}
class StorageType {
  constructor(
    readonly name: string,
    readonly code: Code | null,
  ) {}
}
/** A storage, or the piece of one that PyTorch before 0.4 gave an id of its own. */
class StorageValue {
  constructor(
    readonly ref: StorageRef,
    /** In elements, or bytes where there is no dtype. */
    readonly offset = 0,
    readonly nbytes = ref.nbytes,
  ) {}
}
/** A function or class of the list. */
class Callable {
  constructor(
    readonly name: string,
    readonly run: (args: readonly unknown[], torch: TorchConstructors) => unknown,
  ) {}
}

const STORAGES: Readonly<Record<string, Code>> = {
  FloatStorage: Code.f32,
  DoubleStorage: Code.f64,
  LongStorage: Code.i64,
  IntStorage: Code.i32,
  ByteStorage: Code.u8,
  BoolStorage: Code.bool,
  CharStorage: Code.i8,
  ShortStorage: Code.i16,
  HalfStorage: Code.f16,
  BFloat16Storage: Code.bf16,
};
/** Class of each dtype's storages, by code. */
export const STORAGE_NAMES: readonly string[] = DTYPES.map((_, code) =>
  Object.keys(STORAGES).find((name) => STORAGES[name] === (code as Code))!,
);

/** dtypes without a counterpart, and what to do before saving. */
function withoutDtype(name: string): string {
  const todo = /^c?complex/i.test(name)
    ? 'torch.view_as_real(t) keeps its numbers as pairs'
    : /^q/i.test(name)
      ? 't.dequantize() makes a float tensor of it'
      : /^uint(16|32)$/.test(name)
        ? 't.to(torch.int64) holds its numbers'
        : /^uint64$/.test(name)
          ? 't.view(torch.int64) keeps its bits'
          : 't.float() holds its numbers';
  return `it holds a tensor of torch.${name}, which has no dtype here; in Python: ${todo}`;
}

const isSize = (v: unknown): v is number => Number.isSafeInteger(v) && (v as number) >= 0;
const sizesOf = (v: unknown): number[] | null =>
  (v instanceof PyTuple ? v.items : v) instanceof Array && [...((v as PyTuple).items ?? v)].every(isSize)
    ? [...(((v as PyTuple).items ?? v) as number[])]
    : null;

/** The list, for one file. */
export class TorchConstructors implements Constructors {
  readonly storages = new Map<string, StorageRef>();
  /** Bytes that may still be made out of strings. */
  private budget: number;

  constructor(
    readonly refuse: Refuse,
    pickleBytes: number,
    /** Looks at a storage's id before it is believed: whether such a storage is in the file, and of that size. */
    private readonly check: (key: string, nbytes: number) => void,
  ) {
    this.budget = 4 * pickleBytes + (1 << 20);
  }

  global(fullName: string): unknown {
    const name = fullName.replace(/^__builtin__\./, 'builtins.');
    const known = GLOBALS.get(name);
    if (known !== undefined) return known;
    const storage = /^torch(?:\.cuda|\.storage)?\.(\w+)Storage$/.exec(name);
    if (storage) {
      const code = STORAGES[`${storage[1]}Storage`];
      if (code !== undefined) return new StorageType(name, code);
      if (storage[1] === 'Untyped') return new StorageType(name, null);
      const plain = storage[1]!.replace(/^ComplexFloat$/, 'complex64').replace(/^ComplexDouble$/, 'complex128');
      return this.refuse(withoutDtype(plain.toLowerCase()));
    }
    const dtype = /^torch\.((?:u?int|float|bfloat|complex|quint|qint|bits|bool)\w*)$/.exec(name);
    if (dtype) {
      const code = DTYPES.indexOf(dtype[1] as (typeof DTYPES)[number]);
      return new TorchDtype(dtype[1]!, code < 0 ? null : code);
    }
    const hint = HINTS.get(name.replace(/^.*\./, ''));
    if (hint !== undefined) return this.refuse(`it holds ${hint} (${name})`);
    return this.refuse(
      `it holds a ${name}, which only Python can make; nothing of a file is run here. ` +
        'In Python, save tensors, numbers, strings, lists and dicts alone: torch.save(model.state_dict(), path)',
    );
  }

  call(callable: unknown, args: readonly unknown[]): unknown {
    if (callable instanceof Callable) return callable.run(args, this);
    return this.refuse(
      `its pickle calls ${callable instanceof TorchDtype ? `torch.${callable.name}` : 'what is no function'}`,
    );
  }

  build(object: unknown, state: unknown): void {
    // An OrderedDict's attributes: a state dict's `_metadata` has the versions of its modules.
    if (object instanceof PyDict && state instanceof PyDict) return;
    if (object instanceof NpArray || object instanceof NpDtype)
      return object.setState(state, this.refuse, (n) => this.spend(n));
    this.refuse('its pickle sets the state of an object that has none here');
  }

  persistent(id: unknown): unknown {
    const items = id instanceof PyTuple ? id.items : [];
    const [kind, type, key, , numel, view] = items;
    if (kind !== 'storage' || !(type instanceof StorageType) || typeof key !== 'string' || !isSize(numel))
      return this.refuse('its pickle refers to something outside that is no storage');
    const elementSize = type.code === null ? 1 : SIZE[type.code]!;
    const nbytes = numel * elementSize;
    const known = this.storages.get(key);
    if (known) {
      if (known.code !== type.code || known.nbytes !== nbytes)
        return this.refuse(`its storage ${show(key)} is described in two ways`);
      return this.piece(known, view, elementSize);
    }
    this.check(key, nbytes);
    const ref = { key, code: type.code, nbytes };
    this.storages.set(key, ref);
    return this.piece(ref, view, elementSize);
  }

  private piece(ref: StorageRef, view: unknown, elementSize: number): StorageValue {
    if (view === undefined || view === null) return new StorageValue(ref);
    const [, offset, size] = view instanceof PyTuple ? view.items : [];
    if (!isSize(offset) || !isSize(size) || (offset + size) * elementSize > ref.nbytes)
      return this.refuse(`its storage ${show(ref.key)} has a piece outside of it`);
    return new StorageValue(ref, offset, size * elementSize);
  }

  /** Takes from the budget: a string that is referred to again and again must not be copied as often. */
  spend(bytes: number): void {
    if ((this.budget -= bytes) < 0) this.refuse('its pickle makes more bytes than it has');
  }

  tensor(storage: unknown, offset: unknown, size: unknown, stride: unknown, grad: unknown, dtype: unknown): TensorSpec {
    const shape = sizesOf(size);
    const strides = sizesOf(stride);
    if (!(storage instanceof StorageValue) || !isSize(offset) || shape === null || strides === null)
      return this.refuse('it holds a tensor that is described by other than a storage, sizes and strides');
    if (dtype !== null && !(dtype instanceof TorchDtype)) return this.refuse('it holds a tensor whose dtype is none');
    if (dtype !== null && dtype.code === null) return this.refuse(withoutDtype(dtype.name));
    const code = dtype?.code ?? storage.ref.code;
    if (code === null) return this.refuse('it holds a tensor without a dtype');
    const where = `a tensor of shape [${shape.join(', ')}], strides [${strides.join(', ')}] and offset ${offset}`;
    if (shape.length !== strides.length || shape.length > MAX_DIMS) return this.refuse(`it holds ${where}`);
    // Sums and products stay exact as long as they are below what is compared with.
    const room = Math.floor(storage.nbytes / SIZE[code]!);
    let last = offset;
    let count = 1;
    for (const n of shape) count *= n;
    shape.forEach((n, d) => (last += (n - 1) * strides[d]!));
    if (!(count <= Number.MAX_SAFE_INTEGER) || (count > 0 && !(last < room)) || (count === 0 && !(offset <= room)))
      return this.refuse(`it holds ${where}, which leaves its storage of ${room} elements`);
    if (grad === true && !isFloatCode(code))
      return this.refuse(`it holds a tensor of ${DTYPES[code]} that requires a gradient`);
    return new TensorSpec(storage.ref, code, storage.offset + offset, shape, strides, grad === true);
  }
}

/** What a class or function stands for that is refused, by the last part of its name. */
const HINTS = new Map([
  ['_rebuild_qtensor', 'a quantised tensor; in Python: t.dequantize()'],
  ['_rebuild_sparse_tensor', 'a sparse tensor; in Python: t.to_dense()'],
  ['_rebuild_sparse_csr_tensor', 'a sparse tensor; in Python: t.to_dense()'],
  ['_rebuild_nested_tensor', 'a nested tensor; in Python: t.to_padded_tensor(0)'],
  ['_rebuild_meta_tensor_no_storage', 'a tensor of the device "meta", which has no values'],
  [
    '_rebuild_wrapper_subclass',
    'a subclass of torch.Tensor; in Python: save what it is made of, or its dequantize() or full_tensor()',
  ],
  ['DTensor', 'a tensor distributed over processes; in Python: t.full_tensor()'],
  ['ScriptModule', 'a TorchScript module; in Python: torch.save(module.state_dict(), path)'],
  ['complex', 'a complex number; in Python: save z.real and z.imag'],
]);

const callable = (name: string, run: Callable['run']): [string, Callable] => [name, new Callable(name, run)];
const isEmptyState = (v: unknown): boolean =>
  v === undefined || v === null || v === false || (v instanceof PyDict && v.entries.size === 0);

function rebuilt(args: readonly unknown[], torch: TorchConstructors, dtypeAt: number, metadataAt: number): TensorSpec {
  const [storage, offset, size, stride, grad] = args;
  const metadata = args[metadataAt];
  if (!isEmptyState(metadata)) {
    const flags = metadata instanceof PyDict ? [...metadata.entries.keys()].join(', ') : show(metadata);
    return torch.refuse(
      `it holds a tensor with lazy conjugation or negation (${flags}); in Python: t.resolve_conj().resolve_neg()`,
    );
  }
  return torch.tensor(storage, offset, size, stride, grad, dtypeAt < 0 ? null : args[dtypeAt]);
}

function rebuiltParameter(args: readonly unknown[], torch: TorchConstructors): TensorSpec {
  const [data, grad] = args;
  if (!(data instanceof TensorSpec)) return torch.refuse('it holds a parameter that is no tensor');
  if (grad !== false && !isFloatCode(data.code))
    return torch.refuse(`it holds a parameter of ${DTYPES[data.code]} that requires a gradient`);
  return new TensorSpec(data.storage, data.code, data.offset, data.shape, data.strides, grad !== false, true);
}

function ordered(args: readonly unknown[], torch: TorchConstructors): PyDict {
  const dict = new PyDict();
  const pairs = args[0] instanceof PyTuple ? args[0].items : (args[0] ?? []);
  if (!Array.isArray(pairs)) return torch.refuse('it holds an OrderedDict of other than pairs');
  for (const pair of pairs as unknown[]) {
    const [key, value, ...more] = pair instanceof PyTuple ? pair.items : Array.isArray(pair) ? (pair as unknown[]) : [];
    if (typeof key !== 'string' || value === undefined || more.length > 0)
      return torch.refuse('it holds an OrderedDict of other than pairs');
    dict.entries.set(key, value);
  }
  return dict;
}

function encoded(args: readonly unknown[], torch: TorchConstructors): Uint8Array {
  const [text = '', codec = 'latin1'] = args;
  if (typeof text !== 'string' || !/^latin-?1$/.test(String(codec)))
    return torch.refuse(`it holds text to encode as ${show(codec)}`);
  torch.spend(text.length);
  const bytes = Buffer.from(text, 'latin1');
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length).slice();
}

function bytearray(args: readonly unknown[], torch: TorchConstructors): Uint8Array {
  if (args.length === 0) return new Uint8Array(0);
  if (args[0] instanceof Uint8Array) return args[0];
  return encoded(args, torch);
}

function setOf(args: readonly unknown[], torch: TorchConstructors): PySet {
  const set = new PySet();
  if (!Array.isArray(args[0])) return torch.refuse('it holds a set of what is no list');
  torch.spend(8 * args[0].length);
  for (const item of args[0] as unknown[]) set.items.push(item);
  return set;
}

/** A tensor with attributes of its own; they are dropped, the values stay. */
function fromType(args: readonly unknown[], torch: TorchConstructors): unknown {
  const [make, , inner] = args;
  if (!(make instanceof Callable) || !make.name.startsWith('torch._utils._rebuild_') || !(inner instanceof PyTuple))
    return torch.refuse('it holds a tensor of a class that is not known here');
  return make.run(inner.items, torch);
}

const GLOBALS = new Map<string, unknown>([
  callable('collections.OrderedDict', ordered),
  callable('builtins.dict', (args, torch) => (args.length === 0 ? new PyDict() : ordered(args, torch))),
  callable('builtins.set', setOf),
  callable('builtins.frozenset', setOf),
  callable('builtins.bytearray', bytearray),
  callable('builtins.bytes', bytearray),
  callable('_codecs.encode', encoded),
  callable('torch.Size', (args, torch) => {
    const sizes = sizesOf(args[0] ?? new PyTuple([]));
    return sizes === null ? torch.refuse('it holds a torch.Size of other than sizes') : new PyTuple(sizes);
  }),
  callable('torch.device', (args, torch) => {
    if (typeof args[0] !== 'string') return torch.refuse('it holds a torch.device without a name');
    return typeof args[1] === 'number' ? `${args[0]}:${args[1]}` : args[0];
  }),
  callable('torch.serialization._get_layout', (args, torch) =>
    args[0] === 'torch.strided'
      ? args[0]
      : torch.refuse(`it holds the layout ${show(args[0])}; in Python: t.to_dense()`),
  ),
  callable('torch._utils._rebuild_tensor', (args, torch) => rebuilt(args.slice(0, 4), torch, -1, 99)),
  callable('torch._utils._rebuild_tensor_v2', (args, torch) => rebuilt(args, torch, -1, 6)),
  callable('torch._utils._rebuild_tensor_v3', (args, torch) => rebuilt(args, torch, 6, 7)),
  callable('torch._utils._rebuild_parameter', rebuiltParameter),
  callable('torch._utils._rebuild_parameter_with_state', rebuiltParameter),
  callable('torch.nn.parameter.Parameter', rebuiltParameter),
  callable('torch._tensor._rebuild_from_type_v2', fromType),
  callable('torch.Tensor', (_, torch) =>
    torch.refuse('it holds a tensor as PyTorch before 0.4 wrote it; save it again with a newer one'),
  ),
  ...['numpy.core.multiarray', 'numpy._core.multiarray'].flatMap((module) => [
    callable(`${module}._reconstruct`, () => new NpArray()),
    callable(`${module}.scalar`, (args, torch) => scalarOf(args[0], args[1], torch.refuse)),
  ]),
  ...['numpy.core.numeric', 'numpy._core.numeric'].map((module) =>
    callable(`${module}._frombuffer`, (args, torch) => npArrayFrom(args, torch.refuse, (n) => torch.spend(n))),
  ),
  callable('numpy.ndarray', (_, torch) =>
    torch.refuse('it holds a numpy.ndarray made in a way that is not known here'),
  ),
  callable('numpy.dtype', (args, torch) => new NpDtype(args[0], torch.refuse)),
]);

/** dtype, or what else of the list stands as a value; undefined for others. */
export function valueOf(object: unknown): string | undefined {
  if (!(object instanceof TorchDtype)) return undefined;
  return object.code === null ? `torch.${object.name}` : DTYPES[object.code];
}
