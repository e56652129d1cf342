/** examples/embeddings: the model file, padded batches, and PyTorch's numbers where the weights were fetched. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import * as tenfold from '../../lib/index.js';
import { Batcher, type Values } from '../../lib/serve/index.js';
import makeBert from '../../examples/embeddings/bert.mjs';

const { load, manualSeed, nn, tensor } = tenfold;
type Tensor = tenfold.Tensor;

const weights = fileURLToPath(new URL('../../build/cache/minilm/model.safetensors', import.meta.url));
const hasWeights = existsSync(weights);
if (!hasWeights) console.log('examples/embeddings/fetch.mjs has not fetched MiniLM: its numbers are not compared');
const { rows } = JSON.parse(readFileSync(new URL('../fixtures/embeddings.json', import.meta.url), 'utf8')) as {
  rows: { ids: number[]; embedding: number[] }[];
};

function embedder(): (ids: number[]) => Promise<Tensor> {
  manualSeed(0);
  const model = makeBert(tenfold) as InstanceType<typeof nn.Module>;
  if (hasWeights) model.loadStateDict(load(weights), { strict: false });
  model.eval();
  const options = { maxBatchSize: 8, padding: { ids: { dim: 1 }, mask: { dim: 1 } } };
  const batcher = new Batcher(({ ids, mask }: Values) => model.forward(ids, mask) as Tensor, options);
  return async (ids) => {
    const mask = ids.map(() => 1);
    const inputs = { ids: tensor([ids], { dtype: 'int64' }), mask: tensor([mask], { dtype: 'int64' }) };
    return (await batcher.infer(inputs)).output as Tensor;
  };
}

it('texts of unequal lengths give in one batch what each gives alone', async () => {
  const embed = embedder();
  const together = await Promise.all(rows.map(({ ids }) => embed(ids)));
  for (const [i, { ids }] of rows.entries()) {
    const alone = await embed(ids);
    expect(together[i]!.sub(alone).abs().max().item()).toBeLessThan(1e-5);
    expect(alone.mul(alone).sum().item()).toBeCloseTo(1, 5);
  }
});

it.skipIf(!hasWeights)('embeddings are PyTorch’s to 1e-5', async () => {
  const embed = embedder();
  for (const { ids, embedding } of rows)
    expect(
      (await embed(ids))
        .sub(tensor([embedding]))
        .abs()
        .max()
        .item(),
    ).toBeLessThan(1e-5);
});
