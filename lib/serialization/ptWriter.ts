/** Checkpoints as PyTorch 2 writes them: a zip archive of stored entries at multiples of 64 bytes, as `mmap=True` wants them. */
import { SIZE } from '../dtype.js';
import { storageBytes } from './memory.js';
import { Pickler } from './pickler.js';
import { NOTES } from './pt.js';
import { encodeZip, type Content } from './zip.js';

/** The folder in the archive. PyTorch takes the file's name; a fixed one makes files of the same content the same. */
const FOLDER = 'archive';
const ALIGNMENT = 64;

/** A checkpoint of any value, in pieces. `copy`: the values as they are now, whatever becomes of the tensors. */
export function encodeCheckpoint(
  call: string,
  value: unknown,
  metadata: Readonly<Record<string, string>>,
  copy: boolean,
): Uint8Array[] {
  const pickler = new Pickler(call);
  const pickle = pickler.run(value);
  const entry = (name: string, bytes: Uint8Array): Content => ({ name: `${FOLDER}/${name}`, pieces: [bytes] });
  const note = (name: string, text: string): Content => entry(name, new TextEncoder().encode(text));
  const storages = [...pickler.storages].map(([storage, { key, code }]) => {
    const bytes = storageBytes(storage).subarray(0, storage.nbytes - (storage.nbytes % SIZE[code]!));
    return entry(`data/${key}`, copy ? bytes.slice() : bytes);
  });
  return encodeZip(
    [
      entry('data.pkl', pickle),
      note('.format_version', '1'),
      note('.storage_alignment', String(ALIGNMENT)),
      note('byteorder', 'little'),
      ...(Object.keys(metadata).length > 0 ? [note(NOTES, JSON.stringify(metadata))] : []),
      ...storages,
      note('version', '3\n'),
    ],
    ALIGNMENT,
  );
}
