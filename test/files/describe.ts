/** Values as scripts/record/checkpoints.py describes Python's. */
import { Tensor } from '../../lib/index.js';

function number(x: number | bigint): unknown {
  if (typeof x === 'bigint') return x >= 2n ** 53n || x <= -(2n ** 53n) ? `${x}n` : Number(x);
  return Number.isFinite(x) ? x : String(x);
}

export function describe(x: unknown): unknown {
  if (x instanceof Tensor) {
    const t = x.dtype === 'bfloat16' || x.dtype === 'float16' ? x.detach().to('float32') : x.detach();
    const elements =
      x.dtype === 'bool'
        ? (t.flatten().tolist() as boolean[])
        : Array.from(t.contiguous().toTypedArray() as Float32Array, number);
    return { tensor: [x.dtype, [...x.shape], elements] };
  }
  if (x instanceof Uint8Array) return { bytes: [...x] };
  if (x instanceof Set) return { set: [...(x as Set<number>)].sort((a, b) => a - b) };
  if (x instanceof Map) return { dict: [...(x as Map<unknown, unknown>)].map(([k, v]) => [describe(k), describe(v)]) };
  if (Array.isArray(x)) return { list: x.map(describe) };
  if (typeof x === 'object' && x !== null) return { dict: Object.entries(x).map(([k, v]) => [k, describe(v)]) };
  return typeof x === 'number' || typeof x === 'bigint' ? number(x) : x;
}
