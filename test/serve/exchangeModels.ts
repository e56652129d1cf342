/** The models that real clients were recorded against (scripts/record/serving.ts), and that their requests are replayed on. */
import { DTYPES } from '../../lib/dtype.js';
import type { Tensor } from '../../lib/index.js';
import { Strings, type ModelDefinition, type TensorSpec, type Values } from '../../lib/serve/index.js';

const pair = (name: string, dtype: TensorSpec['dtype']): TensorSpec => ({ name, dtype, shape: [-1, 4] });

const echoes = DTYPES.map((dtype): [string, ModelDefinition] => [
  `echo_${dtype}`,
  { model: ({ x }: Values) => ({ y: x! }), inputs: [pair('x', dtype)], outputs: [pair('y', dtype)] },
]);

export const exchangeModels: Record<string, ModelDefinition> = {
  ...Object.fromEntries(echoes),
  add: {
    model: ({ a, b }: Values) => ({ sum: (a as Tensor).add(b as Tensor), difference: (a as Tensor).sub(b as Tensor) }),
    inputs: [pair('a', 'float32'), pair('b', 'float32')],
    outputs: [pair('sum', 'float32'), pair('difference', 'float32')],
    labels: { sum: ['north', 'east', 'south', 'west'] },
    maxBatchSize: 8,
  },
  upper: {
    model: ({ text }: Values) => {
      const { data, shape } = text as Strings;
      return new Strings(
        data.map((s) => s.toUpperCase()),
        shape,
      );
    },
    inputs: [{ name: 'text', dtype: 'string', shape: [-1, 1] }],
    outputs: [{ name: 'upper', dtype: 'string', shape: [-1, 1] }],
  },
};
