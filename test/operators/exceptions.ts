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

export const EXCEPTIONS: Record<string, Exception> = {};
