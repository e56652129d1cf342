/** What is measured: one model, MiniLM, behind the Open Inference Protocol in several ways. */
export const KINDS = {
  tenfold: 'tenfold/serve, batches up to 32, on the thread of the event loop',
  'tenfold workers': 'tenfold/serve, batches up to 32, two worker threads of one thread each over shared weights',
  'tenfold single': 'tenfold/serve, each request computed alone',
  onnxruntime: 'onnxruntime-node in the same server, each request computed alone, as its users do',
  'onnxruntime batched': 'onnxruntime-node behind our batches up to 32',
  pytorch: 'PyTorch behind uvicorn, each request computed alone in a thread',
} as const;
export type Kind = keyof typeof KINDS;

/** What the load finds. Times in milliseconds. */
export interface Measured {
  requests: number;
  seconds: number;
  failed: number;
  p50: number;
  p99: number;
  /** Of a health check that is asked meanwhile. */
  liveP99: number | null;
  /** Mean of all answers' first elements: that servers agree. */
  check: number;
}
export const quantile = (sorted: readonly number[], q: number): number =>
  sorted.length === 0 ? NaN : sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]!;
