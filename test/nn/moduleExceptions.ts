/** Where modules round otherwise than PyTorch's. */
import type { ModuleException } from './moduleSamples.js';

const ATTENTION = 'gradients of scores cancel, and float32 sums are added in another order';

export const EXCEPTIONS: Record<string, ModuleException> = {
  CTCLoss: {
    slack: 16,
    reason: 'exponentials of differences of log-probabilities around 130, each rounded to float32',
  },
  MultiheadAttention: { slack: 8, reason: ATTENTION },
  Transformer: { slack: 4, reason: ATTENTION },
  TransformerDecoderLayer: { slack: 4, reason: ATTENTION },
};
