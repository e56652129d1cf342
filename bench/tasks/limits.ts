/** What the machine can do: a plain copy between two buffers that are in memory already, and a large matrix product. */
import { empty } from 'tenfold';
import { fill } from '../inputs.js';
import { SIZES } from '../numbers.js';
import { type Tasks } from '../task.js';
import { matmul } from './matmul.js';

export const limits: Tasks = { 'limit.gemm': matmul['matmul.1024']! };
for (const size of ['64k', '1m', '16m']) {
  limits[`limit.copy.${size}`] = () => {
    const x = fill(101, [SIZES[size]!]);
    const y = empty([SIZES[size]!]);
    return { step: () => y.copy_(x), check: () => ({}), forwardOnly: true };
  };
}
