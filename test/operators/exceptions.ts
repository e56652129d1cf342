/**
 * Where the answers are not PyTorch 1.13's, each with its reason. Sample numbers are those that the tests print; record
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

// PyTorch's own float32 answers were compared with its float64 ones on the same samples: the default tolerance holds for
// all operators but these, whose formulas lose digits by cancellation.
export const EXCEPTIONS: Record<string, Exception> = {
  atanh: { slack: 4, reason: 'gradient 1 / (1 - x²) near 1' },
  logcumsumexp: { slack: 100, reason: 'gradient as a difference of exponentials' },
  'nn.functional.conv_transpose2d': { slack: 3, reason: 'sums that cancel; PyTorch is as far from the float64 result' },
  'nn.functional.conv_transpose3d': { slack: 3, reason: 'as convTranspose2d' },
  'nn.functional.layer_norm': { slack: 8, reason: 'gradient of rows with little variance' },
  'nn.functional.normalize': { slack: 4, reason: 'gradient as a difference of projections' },
  pow: { slack: 20, reason: 'large exponents magnify the rounding of log' },
};
