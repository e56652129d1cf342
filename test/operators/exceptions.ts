/**
 * Where the answers are not PyTorch 2.15's, each with its reason. Sample numbers are those that the tests print; record
 * again, and they may change.
 */
export interface Exception {
  /** Factor on the tolerance: for algorithms whose rounding is worse than one operation's. */
  slack?: number;
  /** Samples that are not compared: number -> reason. */
  skip?: Record<number, string>;
  /** Bad calls that are not refused: number -> reason. */
  accepts?: Record<number, string>;
  reason?: string;
}

const LAYOUT = 'PyTorch’s statistics have a gradient only where channels come before pixels in memory';
const SINGLE = 'a row of one element is its own mean: PyTorch rounds the difference';
const ROUNDED = 'half types: PyTorch rounds in between, here float32 is rounded once at the end';
const TAIL = 'half types: PyTorch rounds 1 + erf, of which nothing is left in the tail';
const RESIZES = 'an in-place op never resizes its tensor; PyTorch does here, with a warning';
const INFINITE_SIGN = 'the sign of an infinite derivative, which PyTorch makes depend on the layout';
const SEVEN_DIGITS = 'PyTorch’s Bessel functions have seven digits, these are the C library’s';
const INFINITE_SLOPE = 'the slope at −∞ is infinite; PyTorch gives NaN';
const INFINITE_I0 = 'I₀(±∞) is infinite; PyTorch gives NaN';
const INFINITE = 'the derivative at ±∞ is 0; as a quotient it is NaN';
const LANES = 'of NaN the derivative is NaN; PyTorch gives 1 in float32 and NaN in float64';
const SINGULAR = 'a singular matrix: what is left of its smallest value is rounding';

// PyTorch's own float32 answers were compared with its float64 ones on the same samples: the default tolerance holds for
// all operators but these, whose formulas lose digits by cancellation.
export const EXCEPTIONS: Record<string, Exception> = {
  addbmm: { skip: { 3: RESIZES, 7: RESIZES, 8: RESIZES } },
  addr: { skip: { 9: ROUNDED, 12: ROUNDED } },
  nextafter: { skip: { 20: 'float16 computes through float32, whose neighbours are nearer' } },
  sinc: { skip: { 18: ROUNDED, 21: ROUNDED, 23: ROUNDED, 24: ROUNDED, 27: ROUNDED, 29: ROUNDED } },
  logit: { skip: { 4: INFINITE_SIGN, 7: INFINITE_SIGN, 9: INFINITE_SIGN } },
  'linalg.cond': { slack: 4, reason: 'as svd', skip: { 17: SINGULAR, 32: SINGULAR } },
  'linalg.matrix_norm': { slack: 4, reason: 'as svd' },
  'linalg.norm': { slack: 4, reason: 'as svd' },
  'linalg.matrix_power': { slack: 4, reason: 'sums that cancel; PyTorch is as far from the float64 result' },
  'linalg.multi_dot': { slack: 16, reason: 'four products in a row, whose sums cancel' },
  'special.ndtr': { skip: { 18: TAIL, 21: TAIL, 24: TAIL, 27: TAIL } },
  svd: { slack: 8, reason: 'gradients divide by small gaps; PyTorch is further from the float64 result' },
  'linalg.svd': { slack: 8, reason: 'as svd' },
  'linalg.pinv': { slack: 12, reason: 'condition numbers of 100; PyTorch is as far from the float64 result' },
  'nn.functional.scaled_dot_product_attention': {
    slack: 4,
    reason: 'gradients of scores cancel; tiles add in another order',
  },
  triangular_solve: { slack: 4, reason: 'as linalg.solve: its products add in another order on each instruction set' },
  atanh: { slack: 4, reason: 'gradient 1 / (1 - x²) near 1' },
  logcumsumexp: { slack: 100, reason: 'gradient as a difference of exponentials' },
  'nn.functional.conv_transpose2d': { slack: 3, reason: 'sums that cancel; PyTorch is as far from the float64 result' },
  'nn.functional.conv_transpose3d': { slack: 3, reason: 'as convTranspose2d' },
  log_softmax: { skip: { 11: ROUNDED, 15: ROUNDED } },
  'nn.functional.batch_norm': { skip: { 14: ROUNDED, 17: ROUNDED, 23: ROUNDED, 25: ROUNDED } },
  'nn.functional.bilinear': { skip: { 28: ROUNDED } },
  'nn.functional.binary_cross_entropy_with_logits': { skip: { 20: ROUNDED, 26: ROUNDED } },
  'nn.functional.celu': { skip: { 9: LANES } },
  'nn.functional.elu': { skip: { 9: LANES } },
  'nn.functional.selu': { skip: { 9: LANES } },
  'nn.functional.embedding_bag': { skip: { 12: ROUNDED, 17: ROUNDED, 19: ROUNDED } },
  'nn.functional.hinge_embedding_loss': { skip: { 13: ROUNDED } },
  'nn.functional.instance_norm': { skip: { 12: ROUNDED, 13: ROUNDED, 17: ROUNDED } },
  'nn.functional.layer_norm': { slack: 8, reason: 'gradient of rows with little variance' },
  'nn.functional.mse_loss': { skip: { 15: ROUNDED } },
  'nn.functional.multi_head_attention_forward': { skip: { 1: ROUNDED, 4: ROUNDED } },
  'nn.functional.nll_loss': { skip: { 11: ROUNDED, 16: ROUNDED } },
  native_batch_norm: { skip: { 12: ROUNDED, 14: ROUNDED, 17: ROUNDED, 19: ROUNDED, 21: ROUNDED } },
  native_group_norm: { skip: { 5: LAYOUT, 12: LAYOUT } },
  native_layer_norm: { skip: { 21: SINGLE, 38: SINGLE, 53: SINGLE } },
  'linalg.ldl_factor': { slack: 8, reason: 'factors in float64 here; PyTorch’s are in float32' },
  'linalg.ldl_factor_ex': { slack: 8, reason: 'as linalg.ldl_factor' },
  'nn.functional.normalize': { slack: 4, reason: 'gradient as a difference of projections' },
  'nn.functional.softsign': { skip: { 3: INFINITE, 9: INFINITE } },
  'linalg.eigh': { slack: 12, reason: 'gradients divide by small gaps; PyTorch is as far from the float64 result' },
  'linalg.householder_product': { slack: 16, reason: 'reflections with large factors, which cancel' },
  'linalg.lstsq': { slack: 20, reason: 'triangles with small diagonals; PyTorch is as far from the float64 result' },
  matrix_exp: {
    slack: 20,
    reason: 'computed in float64 here; PyTorch squares in float32',
    skip: {
      3: 'small elements beside large ones, which PyTorch squares in float32',
      4: 'bfloat16: PyTorch overflows to NaN',
    },
  },
  gradient: { skip: { 21: ROUNDED } },
  'masked.log_softmax': { skip: { 20: ROUNDED } },
  'special.bessel_j0': { slack: 10, reason: SEVEN_DIGITS },
  'special.bessel_j1': { slack: 10, reason: SEVEN_DIGITS, skip: { 9: 'PyTorch loses the angle of 1e10 in float32' } },
  'special.bessel_y0': { slack: 10, reason: SEVEN_DIGITS },
  'special.bessel_y1': { slack: 10, reason: SEVEN_DIGITS },
  'special.hermite_polynomial_he': { slack: 4, reason: 'PyTorch’s recurrence is in float32' },
  'special.log_ndtr': { slack: 40, reason: 'PyTorch’s float32', skip: { 3: INFINITE_SLOPE, 9: INFINITE_SLOPE } },
  'special.modified_bessel_i0': { skip: { 3: INFINITE_I0, 9: INFINITE_I0 } },
  pow: { slack: 20, reason: 'large exponents magnify the rounding of log' },
};
