import type { ModelLike, TensorSpec } from 'tenfold/serve';
export default function (library: unknown): ModelLike;
export const inputs: TensorSpec[];
export const outputs: TensorSpec[];
