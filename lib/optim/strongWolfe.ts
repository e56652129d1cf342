/**
 * A line search for the strong Wolfe conditions (Nocedal and Wright, algorithms 3.5 and 3.6), with the choices of
 * torch.optim.lbfgs, which took them from lua's optim.
 */
import type { Tensor } from '../tensor/tensor.js';

/** Inner product of two flat tensors. */
export const dot = (a: Tensor, b: Tensor): number => a.mul(b).sum().item();

/** A point on the line: how far along, the loss, its gradient, and the slope along the line. */
interface Point {
  t: number;
  loss: number;
  grad: Tensor;
  slope: number;
}

const SUFFICIENT = 1e-4; // c1: decrease of the loss
const CURVATURE = 0.9; // c2: decrease of the slope
const MAX_EVALS = 25;
const SMALLEST_BRACKET = 1e-9;

/** Minimum of the cubic through two points with their slopes, within bounds. */
function cubicMinimum(a: Point, b: Point, low = Math.min(a.t, b.t), high = Math.max(a.t, b.t)): number {
  const d1 = a.slope + b.slope - (3 * (a.loss - b.loss)) / (a.t - b.t);
  const square = d1 * d1 - a.slope * b.slope;
  if (!(square >= 0)) return (low + high) / 2;
  const d2 = Math.sqrt(square);
  const t =
    a.t <= b.t
      ? b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
      : a.t - (a.t - b.t) * ((a.slope + d2 - d1) / (a.slope - b.slope + 2 * d2));
  return Math.min(Math.max(t, low), high);
}

/** A step t along d from `start`, whose slope there is `slope`. `probe` gives loss and gradient at a step. */
export function strongWolfe(
  probe: (t: number) => { loss: number; grad: Tensor },
  t: number,
  d: Tensor,
  start: { loss: number; grad: Tensor },
  slope: number,
): { loss: number; grad: Tensor; t: number; evals: number } {
  const at = (step: number): Point => {
    const { loss, grad } = probe(step);
    return { t: step, loss, grad, slope: dot(grad, d) };
  };
  const tooHigh = (p: Point): boolean => p.loss > start.loss + SUFFICIENT * p.t * slope;
  const flat = (p: Point): boolean => Math.abs(p.slope) <= -CURVATURE * slope;
  const origin: Point = { t: 0, ...start, slope };

  // Bracket a point that fulfils the conditions.
  let before = origin;
  let now = at(t);
  let evals = 1;
  let tries = 0;
  let bracket: [Point, Point];
  for (; ; tries++) {
    if (tries === MAX_EVALS) {
      bracket = [origin, now];
      break;
    }
    if (tooHigh(now) || (tries > 1 && now.loss >= before.loss)) {
      bracket = [before, now];
      break;
    }
    if (flat(now)) return { loss: now.loss, grad: now.grad, t: now.t, evals };
    if (now.slope >= 0) {
      bracket = [before, now];
      break;
    }
    const next = cubicMinimum(before, now, now.t + 0.01 * (now.t - before.t), now.t * 10);
    before = now;
    now = at(next);
    evals++;
  }
  const { best, evals: more } = zoom(bracket, at, tooHigh, flat, d, tries);
  return { loss: best.loss, grad: best.grad, t: best.t, evals: evals + more };
}

/** Narrows the bracket until one of its points fulfils the conditions; returns the best. */
function zoom(
  bracket: [Point, Point],
  at: (t: number) => Point,
  tooHigh: (p: Point) => boolean,
  flat: (p: Point) => boolean,
  d: Tensor,
  tries: number,
): { best: Point; evals: number } {
  const scale = d.abs().max().item();
  let low = bracket[0].loss <= bracket[1].loss ? 0 : 1;
  let stuck = false;
  let evals = 0;
  for (; tries < MAX_EVALS; tries++) {
    const [a, b] = bracket;
    if (Math.abs(b.t - a.t) * scale < SMALLEST_BRACKET) break;
    const [min, max] = [Math.min(a.t, b.t), Math.max(a.t, b.t)];
    let t = cubicMinimum(a, b);
    // Close to an end twice in a row: a tenth of the bracket away from it.
    const margin = 0.1 * (max - min);
    if (Math.min(max - t, t - min) < margin) {
      if (stuck || t >= max || t <= min) {
        t = Math.abs(t - max) < Math.abs(t - min) ? max - margin : min + margin;
        stuck = false;
      } else stuck = true;
    } else stuck = false;

    const now = at(t);
    evals++;
    const high = 1 - low;
    if (tooHigh(now) || now.loss >= bracket[low]!.loss) {
      bracket[high] = now;
      low = bracket[0].loss <= bracket[1].loss ? 0 : 1;
    } else {
      const done = flat(now);
      if (!done && now.slope * (bracket[high]!.t - bracket[low]!.t) >= 0) bracket[high] = bracket[low]!;
      bracket[low] = now;
      if (done) break;
    }
  }
  return { best: bracket[low]!, evals };
}
