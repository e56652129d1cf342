/** TensorProto to Tensor and back: element types, payloads, and data in files beside the model. */
import * as fs from 'node:fs';
import { dirname, isAbsolute, join, relative, sep } from 'node:path';
import { show } from '../errors.js';
import { Code, DTYPES, SIZE, codeOf, type DType } from '../dtype.js';
import { numelOf } from '../tensor/shape.js';
import { expose } from '../tensor/storage.js';
import { Tensor, storageBuffer } from '../tensor/tensor.js';
import type { SparseMessage, TensorMessage } from './messages.js';
import { Source, varints, type Refuse } from './wire.js';

/** ONNX's element types by number: their names, and the dtype where there is one. */
const ELEMENTS: readonly (readonly [name: string, dtype: DType | null])[] = [
  ['undefined', null],
  ['float', 'float32'],
  ['uint8', 'uint8'],
  ['int8', 'int8'],
  ['uint16', null],
  ['int16', 'int16'],
  ['int32', 'int32'],
  ['int64', 'int64'],
  ['string', null],
  ['bool', 'bool'],
  ['float16', 'float16'],
  ['double', 'float64'],
  ['uint32', null],
  ['uint64', null],
  ['complex64', null],
  ['complex128', null],
  ['bfloat16', 'bfloat16'],
  ['float8e4m3fn', null],
  ['float8e4m3fnuz', null],
  ['float8e5m2', null],
  ['float8e5m2fnuz', null],
  ['uint4', null],
  ['int4', null],
  ['float4e2m1', null],
  ['float8e8m0', null],
  ['uint2', null],
  ['int2', null],
];
const NUMBERS = new Map(ELEMENTS.flatMap(([, dtype], number) => (dtype === null ? [] : [[dtype, number] as const])));

/** Name of an element type, as ONNX spells it. */
export const elementName = (type: number | undefined): string => ELEMENTS[type ?? 0]?.[0] ?? `element type ${type}`;
/** dtype of an element type; null where Tenfold has none. */
export const dtypeOf = (type: number | undefined): DType | null => ELEMENTS[type ?? 0]?.[1] ?? null;
/** Number of a dtype. */
export const elementOf = (dtype: DType): number => NUMBERS.get(dtype)!;
/** dtype of an element type that an attribute gives; an error where Tenfold has none. */
export function dtypeFor(what: string, type: number): DType {
  const dtype = dtypeOf(type);
  if (dtype === null) throw new TypeError(`${what}: the element type ${elementName(type)} has no dtype here`);
  return dtype;
}

/** The most that a tensor's dims may be; more is a damaged file. */
const MOST_DIMS = 64;

/** Where a model's tensors are read from: its bytes, and the folder that its other files lie in. */
export class Payloads {
  /** Open files beside the model, by the path that names them. */
  private readonly files = new Map<string, { file: number; source: Source }>();
  constructor(
    readonly source: Source,
    private readonly folder: string | null,
  ) {}

  get refuse(): Refuse {
    return this.source.refuse;
  }
  close(): void {
    for (const { file } of this.files.values()) fs.closeSync(file);
    this.files.clear();
  }

  /** A tensor with memory of its own. */
  tensor(message: TensorMessage): Tensor {
    const name = show(message.name ?? '');
    const dims = message.dims ?? [];
    if (dims.length > MOST_DIMS || dims.some((n) => !Number.isSafeInteger(n) || n < 0))
      this.refuse(`the tensor ${name} has the shape [${dims.slice(0, MOST_DIMS)}]`);
    const dtype = dtypeOf(message.dataType);
    if (dtype === null)
      this.refuse(
        `the tensor ${name} is of ${elementName(message.dataType)}, which has no dtype here (there are ${DTYPES.join(', ')})`,
      );
    const code = codeOf('onnx.load', dtype);
    const count = numelOf(dims);
    // What doesn't fit its payload is refused before memory is taken for it.
    this.checkSize(message, name, count, code);
    const t = Tensor.raw(dims, code, true);
    const bytes = new Uint8Array(storageBuffer(t), t.byteStart(t.offset), count * SIZE[code]!);
    if (message.dataLocation === 1) this.external(message, name, bytes);
    else if (message.rawData !== undefined) this.gather(message.rawData as { at: number; length: number }[], bytes);
    else this.typed(message, name, t, bytes);
    if (code === Code.bool && bytes.some((byte) => byte > 1))
      this.refuse(`the bool tensor ${name} holds bytes other than 0 and 1`);
    return t;
  }

  private checkSize(message: TensorMessage, name: string, count: number, code: Code): void {
    if (message.dataLocation === 1) return this.checkExternal(message, name, count * SIZE[code]!);
    const spans = (list: unknown): number =>
      Array.isArray(list) ? (list as { length: number }[]).reduce((sum, span) => sum + span.length, 0) : 0;
    if (message.rawData !== undefined) {
      const length = spans(message.rawData);
      if (length !== count * SIZE[code]!)
        this.refuse(
          `the tensor ${name} of shape [${message.dims ?? []}] and dtype ${DTYPES[code]} has ${length} bytes`,
        );
      return;
    }
    // A packed number takes at least a byte.
    const [packed, single] = fieldOf(message, code);
    if (count > spans(packed) + (single?.length ?? 0))
      this.refuse(`the tensor ${name} of shape [${message.dims ?? []}] has fewer numbers`);
  }

  private gather(spans: readonly { at: number; length: number }[], into: Uint8Array): void {
    let done = 0;
    for (const { at, length } of spans) {
      this.source.read(at, into.subarray(done, done + length));
      done += length;
    }
  }

  /** Numbers in a field of their own type: float_data, int32_data, … */
  private typed(message: TensorMessage, name: string, t: Tensor, bytes: Uint8Array): void {
    const { code } = t;
    const [packed, single] = fieldOf(message, code);
    const wrong = (): never => this.refuse(`the tensor ${name} of shape [${t.shape}] has another count of numbers`);
    if (code === Code.f32 || code === Code.f64) {
      const length = (packed ?? []).reduce((sum, span) => sum + span.length, 0);
      if (length + (single?.length ?? 0) * SIZE[code]! !== bytes.length) wrong();
      this.gather(packed ?? [], bytes.subarray(0, length));
      const rest = (code === Code.f32 ? Float32Array : Float64Array).from((single ?? []) as number[]);
      bytes.set(new Uint8Array(rest.buffer), length);
      return;
    }
    // Halves stand as their bits.
    const half = code === Code.f16 || code === Code.bf16;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const size = SIZE[code]!;
    let at = 0;
    const put = (value: bigint): void => {
      if (at >= bytes.length) wrong();
      const [low, high] = half ? [0n, 65535n] : code === Code.bool ? [0n, 1n] : RANGES[size]!;
      const [from, to] = code === Code.u8 ? [0n, 255n] : [low, high];
      if (value < from || value > to) this.refuse(`the tensor ${name} of ${t.dtype} holds the number ${value}`);
      if (size === 8) view.setBigInt64(at, value, true);
      else if (size === 4) view.setInt32(at, Number(value), true);
      else if (size === 2) view.setUint16(at, Number(BigInt.asUintN(16, value)), true);
      else view.setUint8(at, Number(BigInt.asUintN(8, value)));
      at += size;
    };
    for (const span of packed ?? []) for (const value of varints(this.source, span)) put(value);
    for (const value of single ?? []) put(BigInt(value));
    if (at !== bytes.length) wrong();
  }

  // ---- files beside the model ----------------------------------------------------------------------------------------

  private place(message: TensorMessage, name: string): { path: string; offset: number; length: number | null } {
    const entries = new Map((message.externalData ?? []).map(({ key, value }) => [key ?? '', value ?? '']));
    const location = entries.get('location') ?? '';
    const natural = (key: string): number | null => {
      const text = entries.get(key);
      if (text === undefined) return null;
      const value = Number(text);
      if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
        this.refuse(`the tensor ${name} has the external ${key} ${show(text)}`);
      return value;
    };
    const { folder } = this;
    if (folder === null)
      return this.refuse(`the tensor ${name} lies in another file, ${show(location)}: load the model by its path`);
    const path = join(folder, location);
    const inside = (child: string): boolean => {
      const way = relative(fs.realpathSync(folder), child);
      return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
    };
    if (location === '' || location.includes('\0') || isAbsolute(location) || location.split(/[\\/]/).includes('..'))
      this.refuse(`the tensor ${name} lies in ${show(location)}, outside the model's folder`);
    let real: string;
    try {
      real = fs.realpathSync(path);
    } catch (error) {
      return this.refuse(
        `the tensor ${name} lies in ${show(location)}, which can't be opened: ${(error as Error).message}`,
      );
    }
    if (!inside(real)) this.refuse(`the tensor ${name} lies in ${show(location)}, outside the model's folder`);
    return { path: real, offset: natural('offset') ?? 0, length: natural('length') };
  }

  private open(path: string): Source {
    let open = this.files.get(path);
    if (open === undefined) {
      const file = fs.openSync(path, fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0));
      const stat = fs.fstatSync(file);
      if (!stat.isFile()) {
        fs.closeSync(file);
        this.refuse(`${show(path)} is not a file`);
      }
      this.files.set(path, (open = { file, source: new Source(file, stat.size, this.refuse) }));
    }
    return open.source;
  }

  private checkExternal(message: TensorMessage, name: string, bytes: number): void {
    const { path, offset, length } = this.place(message, name);
    const source = this.open(path);
    if ((length ?? bytes) !== bytes || offset + bytes > source.length)
      this.refuse(
        `the tensor ${name} needs ${bytes} bytes of ${dirname(path) === '' ? path : show(relative(this.folder!, path))} from ${offset} on, which has ${source.length} (length ${length ?? 'not given'})`,
      );
  }
  private external(message: TensorMessage, name: string, into: Uint8Array): void {
    const { path, offset } = this.place(message, name);
    this.open(path).read(offset, into);
  }

  // ---- sparse --------------------------------------------------------------------------------------------------------

  /** A sparse tensor, made dense. */
  sparse(message: SparseMessage): Tensor {
    const name = show(message.values?.name ?? '');
    const dims = message.dims ?? [];
    const values = this.tensor(message.values ?? {});
    const indices = this.tensor(message.indices ?? {});
    const count = numelOf(dims);
    if (
      dims.length === 0 ||
      dims.some((n) => !Number.isSafeInteger(n) || n < 0) ||
      indices.code !== Code.i64 ||
      values.ndim !== 1
    )
      this.refuse(`the sparse tensor ${name} has the shape [${dims}]`);
    // A handful of bytes must not ask for gigabytes.
    if (count > 2 ** 28) this.refuse(`the sparse tensor ${name} has ${count} elements`);
    const rows = indices.ndim === 2 ? indices : indices.unsqueeze(-1);
    const width = indices.ndim === 2 ? dims.length : 1;
    if (rows.ndim !== 2 || rows.shape[0] !== values.count || rows.shape[1] !== width)
      this.refuse(`the sparse tensor ${name} has indices of shape [${indices.shape}]`);
    const places = Array.from(rows.toTypedArray() as BigInt64Array, Number);
    const flat = Array.from({ length: values.count }, (_, i) => {
      const index = places.slice(i * width, (i + 1) * width);
      if (index.some((at, d) => at < 0 || at >= (width === 1 && indices.ndim === 1 ? count : dims[d]!)))
        this.refuse(`the sparse tensor ${name} has the index [${index}]`);
      return indices.ndim === 1 ? index[0]! : index.reduce((sum, at, d) => sum * dims[d]! + at, 0);
    });
    const where = Tensor.wrap(BigInt64Array.from(flat, BigInt), [flat.length], Code.i64);
    return Tensor.zeros([count], values.code)
      .scatter(0, where, values)
      .reshape([...dims]);
  }
}

const RANGES: Record<number, [bigint, bigint]> = {
  1: [-128n, 127n],
  2: [-32768n, 32767n],
  4: [-(2n ** 31n), 2n ** 31n - 1n],
  8: [-(2n ** 63n), 2n ** 63n - 1n],
};

/** The field that holds the numbers of a dtype: packed, and one by one. */
function fieldOf(
  m: TensorMessage,
  code: Code,
): [packed: readonly { at: number; length: number }[] | undefined, single: readonly (number | bigint)[] | undefined] {
  if (code === Code.f32) return [m.floatData, m.floatDataUnpacked];
  if (code === Code.f64) return [m.doubleData, m.doubleDataUnpacked];
  if (code === Code.i64) return [m.int64Data, m.int64DataUnpacked];
  return [m.int32Data, m.int32DataUnpacked];
}

/** A tensor as a message, its bytes where they lie. */
export function tensorMessage(t: Tensor, name: string): TensorMessage {
  const dense = t.detach().rawDense();
  expose(dense.storage);
  const rawData = new Uint8Array(storageBuffer(dense), dense.byteStart(dense.offset), dense.count * SIZE[dense.code]!);
  return { name, dims: [...t.shape], dataType: elementOf(t.dtype), rawData };
}
