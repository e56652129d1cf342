/** Bessel and Airy functions, and the tails of the normal distribution (native/kernels/special.cc). */
import { kernel } from '../native/launch.js';
import type { Tensor } from '../tensor/tensor.js';
import { d, defineOp, type Formula, type Op, type OpDef } from '../op/define.js';
import { To, unary } from '../op/elementwise.js';
import { where } from './arithmetic.js';
import { i1 } from './gamma.js';

/** An op with a kernel; integers give the default dtype. */
const of = (name: string, self?: Formula): (() => OpDef) => {
  const k = kernel(name);
  const forward = (x: Tensor): Tensor => unary(k, name, x, To.float);
  return (): OpDef => (self ? { forward, backward: { input: self } } : { forward, differentiable: false });
};

/** y / x of a function that is x / 2 near 0. */
const quotient = (y: Tensor, x: Tensor): Tensor => where(x.eq(0), 0.5, y.div(where(x.eq(0), 1, x)));

/** Airy function Ai(x). See torch.special.airy_ai. */
export const airyAi = defineOp('airyAi(Tensor input)', of('airyAi'));
/** Bessel function of the first kind, order 0. See torch.special.bessel_j0. */
export const besselJ0: Op<'besselJ0(Tensor input)'> = defineOp(
  'besselJ0(Tensor input)',
  of(
    'besselJ0',
    d('input', (grad, x) => grad.mul(besselJ1(x)).neg()),
  ),
);
/** Bessel function of the first kind, order 1. See torch.special.bessel_j1. */
export const besselJ1: Op<'besselJ1(Tensor input)'> = defineOp(
  'besselJ1(Tensor input)',
  of(
    'besselJ1',
    d('input', 'result', (grad, x, y) => grad.mul(besselJ0(x).sub(quotient(y, x)))),
  ),
);
/** Bessel function of the second kind, order 0; NaN of negative numbers. See torch.special.bessel_y0. */
export const besselY0: Op<'besselY0(Tensor input)'> = defineOp(
  'besselY0(Tensor input)',
  of(
    'besselY0',
    d('input', (grad, x) => grad.mul(besselY1(x)).neg()),
  ),
);
/** Bessel function of the second kind, order 1; NaN of negative numbers. See torch.special.bessel_y1. */
export const besselY1: Op<'besselY1(Tensor input)'> = defineOp(
  'besselY1(Tensor input)',
  of(
    'besselY1',
    d('input', 'result', (grad, x, y) => grad.mul(where(x.eq(0), Infinity, besselY0(x).sub(y.div(x))))),
  ),
);
/** Spherical Bessel function of the first kind, order 0: sin(x) / x. See torch.special.spherical_bessel_j0. */
export const sphericalBesselJ0 = defineOp('sphericalBesselJ0(Tensor input)', of('sphericalBesselJ0'));
/** Modified Bessel function of the first kind, order 0: i0. See torch.special.modified_bessel_i0. */
export const modifiedBesselI0: Op<'modifiedBesselI0(Tensor input)'> = defineOp(
  'modifiedBesselI0(Tensor input)',
  of(
    'i0',
    d('input', (grad, x) => grad.mul(modifiedBesselI1(x))),
  ),
);
/** Modified Bessel function of the first kind, order 1: i1. See torch.special.modified_bessel_i1. */
export const modifiedBesselI1: Op<'modifiedBesselI1(Tensor input)'> = defineOp(
  'modifiedBesselI1(Tensor input)',
  (): OpDef => ({
    forward: (x: Tensor) => i1(x),
    backward: { input: d('input', 'result', (grad, x, y) => grad.mul(modifiedBesselI0(x).sub(quotient(y, x)))) },
  }),
);
/** Modified Bessel function of the second kind, order 0; NaN of negative numbers. See torch.special.modified_bessel_k0. */
export const modifiedBesselK0: Op<'modifiedBesselK0(Tensor input)'> = defineOp(
  'modifiedBesselK0(Tensor input)',
  of(
    'besselK0',
    d('input', (grad, x) => grad.mul(modifiedBesselK1(x)).neg()),
  ),
);
/** Modified Bessel function of the second kind, order 1; NaN of negative numbers. See torch.special.modified_bessel_k1. */
export const modifiedBesselK1: Op<'modifiedBesselK1(Tensor input)'> = defineOp(
  'modifiedBesselK1(Tensor input)',
  of(
    'besselK1',
    d('input', 'result', (grad, x, y) => grad.mul(modifiedBesselK0(x).add(y.div(x))).neg()),
  ),
);
/** eˣ K₀(x). See torch.special.scaled_modified_bessel_k0. */
export const scaledModifiedBesselK0: Op<'scaledModifiedBesselK0(Tensor input)'> = defineOp(
  'scaledModifiedBesselK0(Tensor input)',
  of(
    'scaledBesselK0',
    d('input', 'result', (grad, x, y) => grad.mul(y.sub(scaledModifiedBesselK1(x)))),
  ),
);
/** eˣ K₁(x). See torch.special.scaled_modified_bessel_k1. */
export const scaledModifiedBesselK1: Op<'scaledModifiedBesselK1(Tensor input)'> = defineOp(
  'scaledModifiedBesselK1(Tensor input)',
  of(
    'scaledBesselK1',
    d('input', 'result', (grad, x, y) => grad.mul(y.sub(scaledModifiedBesselK0(x)).sub(y.div(x)))),
  ),
);

/** exp(x²) erfc(x), where erfc alone would vanish. See torch.special.erfcx. */
export const erfcx: Op<'erfcx(Tensor input)'> = defineOp(
  'erfcx(Tensor input)',
  of(
    'erfcx',
    d('input', 'result', (grad, x, y) =>
      grad.mul(
        x
          .mul(y)
          .mul(2)
          .sub(2 / Math.sqrt(Math.PI)),
      ),
    ),
  ),
);
/** Logarithm of the normal distribution's probability below x. See torch.special.log_ndtr. */
export const logNdtr: Op<'logNdtr(Tensor input)'> = defineOp(
  'logNdtr(Tensor input)',
  of(
    'logNdtr',
    d('input', (grad, x) => grad.div(erfcx(x.mul(-Math.SQRT1_2))).mul(Math.sqrt(2 / Math.PI))),
  ),
);
/** The x below which the normal distribution has a probability p. See torch.special.ndtri. */
export const ndtri: Op<'ndtri(Tensor input)'> = defineOp(
  'ndtri(Tensor input)',
  of(
    'ndtri',
    d('result', (grad, x) =>
      where(
        x.isinf(),
        Infinity,
        x
          .square()
          .div(2)
          .exp()
          .mul(Math.sqrt(2 * Math.PI)),
      ).mul(grad),
    ),
  ),
);
