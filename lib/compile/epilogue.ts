/**
 * Epilogues: products and convolutions that apply relu themselves, while a result is in registers. A step of relu right behind
 * one whose result nobody else reads becomes its flag. (Backward of relu reads the result, so this serves training, too.)
 */
import { AT_NDIM, AT_NUMEL, AT_OPERAND } from '../native/launch.js';
import { slotsOfKernel } from '../launch/declaration.js';
import { outlives } from './arena.js';
import { conflicts } from './fuse.js';
import type { Memory, Slot, Step } from './steps.js';

/** What a step computes that has an epilogue: where it goes, and how many dense elements. */
interface Product {
  readonly out: Slot;
  readonly count: number;
}

/** A step as a product without an epilogue yet; null where it is none, or its result isn't dense. */
function productOf({ id, name, frame, slots, table, live }: Step): Product | null {
  if ((name !== 'matmul' && name !== 'convolution') || table !== null || live !== null) return null;
  const last = frame.length - 1;
  if (slotsOfKernel(id)!.at(-1)!.name !== 'activation' || frame[last] !== 0) return null;
  if (name === 'convolution') {
    // batch, groups, channels, filters, size[3], kernel[3], result[3]
    const out = slots.find((s) => s.name === 'y')!;
    return { out, count: frame[1]! * frame[4]! * frame[11]! * frame[12]! * frame[13]! };
  }
  const [batch, m, n] = [frame[1]!, frame[2]!, frame[3]!];
  const out = slots.find((s) => s.name === 'c')!;
  const [stride, row, beta] = [frame[out.at + 1]!, frame[out.at + 2]!, frame[out.at + 3]!];
  // Without a bias another product may be chosen than with an epilogue, which rounds otherwise.
  const hasBias = slots.some((s) => s.name === 'bias');
  const dense = row === n && (batch === 1 || stride === m * n);
  return hasBias && dense && beta === 0 ? { out, count: batch * m * n } : null;
}

/** A dense relu: what it reads and writes; null for another step. */
function reluOf({ name, code, frame, slots, live }: Step): { from: Slot; to: Slot; count: number } | null {
  if (name !== 'relu' || live !== null || frame[AT_NDIM] !== 0) return null;
  const [to, from] = [AT_OPERAND, AT_OPERAND + 3].map((at) => slots.find((s) => s.at === at));
  const same = frame[AT_OPERAND + 1] === code && frame[AT_OPERAND + 4] === code;
  return to && from && same ? { from, to, count: frame[AT_NUMEL]! } : null;
}

/** The steps with relu in the epilogues of what comes before. `uses`, how often memory is used, is kept right. */
export function foldEpilogues(steps: readonly Step[], uses: Map<Memory, number>): Step[] {
  const folded: Step[] = [];
  for (const step of steps) if (!foldInto(folded, step, uses)) folded.push(step);
  return folded;
}

function foldInto(before: Step[], step: Step, uses: Map<Memory, number>): boolean {
  const relu = reluOf(step);
  if (relu === null) return false;
  const { from, to, count } = relu;
  let at = before.length - 1;
  while (at >= 0 && !conflicts(before[at]!, step)) at--;
  if (at < 0) return false;
  const product = before[at]!;
  const found = productOf(product);
  if (found === null || product.code !== step.code || found.count !== count) return false;
  const { out } = found;
  if (out.memory !== from.memory || out.offset !== from.offset) return false;
  const inPlace = to.memory === from.memory && to.offset === from.offset;
  if (!inPlace && (outlives(from.memory) || uses.get(from.memory) !== 2)) return false;
  // The product writes there while it reads its operands.
  if (!inPlace && product.slots.some((s) => s.memory === to.memory)) return false;
  const frame = product.frame.slice();
  frame[frame.length - 1] = 1;
  const slots = product.slots.map((s) => (s === out ? { ...s, memory: to.memory, offset: to.offset } : s));
  before[at] = { ...product, frame, slots, parts: [product, step] };
  uses.set(from.memory, uses.get(from.memory)! - 2);
  return true;
}
