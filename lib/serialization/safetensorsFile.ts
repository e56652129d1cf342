/** Whole safetensors files: header, structure and tensors put together. The header is safetensors.ts's. */
import { show } from '../errors.js';
import { Code } from '../dtype.js';
import { Tensor, checkTensor } from '../tensor/tensor.js';
import { bytesOf } from './memory.js';
import { checkBools } from './numpy.js';
import { dictOf } from './plain.js';
import { take, type Input, type Reading } from './reading.js';
import { LENGTH_BYTES, decodeHeader, encodeHeader, headerLength, type Header } from './safetensors.js';
import { STRUCTURE, putTogether, takeApart } from './structure.js';

/** A file's content in pieces. `copy`: tensors as they are now, whatever becomes of them. */
export function encodeSafetensors(
  call: string,
  value: unknown,
  metadata: Readonly<Record<string, string>>,
  copy: boolean,
): Uint8Array[] {
  const { tensors, structure } = takeApart(value);
  for (const key of Object.keys(metadata))
    if (key === STRUCTURE) throw new TypeError(`${call}: the metadata key ${show(key)} is the library's own`);
  const notes = structure === null ? metadata : { ...metadata, [STRUCTURE]: structure };
  const list = [...tensors].map(([name, t]) => ({ name, code: t.code, shape: t.shape, count: t.count }));
  const { bytes, entries } = encodeHeader(list, notes);
  const pieces = [bytes];
  for (const { name } of entries) {
    const t = tensors.get(name)!;
    checkTensor('save', t);
    if (t.count > 0) pieces.push(bytesOf(t.dense && !copy ? t : t.rawClone()));
  }
  return pieces;
}

function* readHeader({ size, refuse }: Input): Reading<{ header: Header; dataAt: number }> {
  const first = yield* take(0, Math.min(size, LENGTH_BYTES));
  const length = headerLength(first, size, refuse);
  const dataAt = LENGTH_BYTES + length;
  return { header: decodeHeader(yield* take(LENGTH_BYTES, length), size - dataAt, refuse), dataAt };
}

/** Reads a safetensors file: tensors by name, or the object that was saved. */
export function* readSafetensors(input: Input): Reading<unknown> {
  const { refuse } = input;
  const { header, dataAt } = yield* readHeader(input);
  const tensors = new Map(header.entries.map((e) => [e.name, Tensor.raw(e.shape, e.code, true)]));
  for (const e of header.entries) {
    if (e.end === e.begin) continue;
    const bytes = bytesOf(tensors.get(e.name)!);
    yield { kind: 'read', at: dataAt + e.begin, bytes };
    if (e.code === Code.bool) checkBools(bytes, `bool tensor ${show(e.name)}`, refuse);
  }
  const structure = header.metadata[STRUCTURE];
  return structure === undefined ? dictOf([...tensors]) : putTogether(tensors, structure, refuse);
}

/** The notes in a safetensors header. */
export function* readSafetensorsNotes(input: Input): Reading<Record<string, string>> {
  const { [STRUCTURE]: _, ...notes } = (yield* readHeader(input)).header.metadata;
  return notes;
}
