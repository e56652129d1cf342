/**
 * Damaged models: bytes changed, cut out, doubled, exchanged with those of other models. Each is loaded or refused with an error of
 * ours, whatever it says; nothing else comes out. TENFOLD_FUZZ=20000 runs so many, in seconds of loading each reported.
 */
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { TenfoldError, onnx } from '../../lib/index.js';
import { packedCases } from './cases.js';

const COUNT = Number(process.env['TENFOLD_FUZZ'] ?? 1500);

/** Numbers of a seed, in [0, n). */
function generator(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (state * 1664525 + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

/** Numbers that a length, a tag or a size is worth trying. */
const EXTREMES = [0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff];

function damage(bytes: Uint8Array, other: Uint8Array, next: (n: number) => number): Uint8Array {
  let out = Uint8Array.from(bytes);
  for (let i = next(3); i >= 0; i--) {
    const at = next(out.length);
    const length = 1 + next(Math.min(32, out.length - at));
    switch (next(7)) {
      case 0:
        out[at]! ^= 1 << next(8);
        break;
      case 1:
        out[at] = EXTREMES[next(EXTREMES.length)]!;
        break;
      case 2:
        out.fill(0xff, at, at + length); // a varint without end
        break;
      case 3:
        out = out.slice(0, Math.max(1, at));
        break;
      case 4:
        out = Uint8Array.from([...out.subarray(0, at), ...out.subarray(at + length)]);
        break;
      case 5:
        out = Uint8Array.from([...out.subarray(0, at + length), ...out.subarray(at)]);
        break;
      default: {
        const from = next(other.length);
        out.set(other.subarray(from, from + Math.min(length, out.length - at)), at);
      }
    }
    if (out.length === 0) return new Uint8Array(1);
  }
  return out;
}

it(`${COUNT} damaged models are loaded or refused`, { timeout: 60_000 + COUNT * 20 }, () => {
  const models = packedCases(fileURLToPath(new URL('../fixtures/onnx_node.bin.gz', import.meta.url)))
    .map((one) => one.model)
    .filter((bytes) => bytes.length < 20_000);
  const next = generator(1);
  const pick = (): Uint8Array => models[next(models.length)]!;
  let [loaded, slowest] = [0, 0];
  for (let i = 0; i < COUNT; i++) {
    const bytes = damage(pick(), pick(), next);
    const start = performance.now();
    try {
      onnx.load(bytes);
      loaded++;
    } catch (error) {
      const { message } = error as Error;
      if (!(error instanceof TenfoldError) || !message.startsWith('onnx.load: '))
        expect.fail(`model ${i}: ${(error as Error).stack}`);
    }
    slowest = Math.max(slowest, performance.now() - start);
  }
  // Most damage is to names, sizes of dims and the like, which remain a model; much of it is not.
  expect(loaded).toBeGreaterThan(COUNT / 50);
  expect(loaded).toBeLessThan(COUNT * 0.9);
  if (COUNT > 2000) console.log(`${loaded} of ${COUNT} loaded, the slowest took ${slowest.toFixed(0)} ms`);
});
