/**
 * A server that is measured, a process of its own; prints its URL when it is ready.
 *
 *   server.ts KIND
 */
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import * as tenfold from 'tenfold';
import { handler, type HandlerOptions, type ModelFunction, type TensorSpec, type Values } from 'tenfold/serve';
import makeBert, { inputs, outputs } from '../../examples/embeddings/bert.mjs';
import { fetchMiniLM } from '../../examples/embeddings/fetch.mjs';
import { load as loadPackage } from '../peers/packages.js';
import type { Kind } from './kinds.js';

const kind = process.argv[2] as Kind;
const folder = fetchMiniLM();
const weights = join(folder, 'model.safetensors');
const threads = tenfold.getNumThreads();

function weighted(model: tenfold.nn.Module): tenfold.nn.Module {
  model.loadStateDict(tenfold.load(weights), { strict: false });
  return model.eval();
}
const bert = (): tenfold.nn.Module => weighted(makeBert(tenfold) as tenfold.nn.Module);
/** The weights without what the module doesn't have, for workers, which load strictly. */
function ownWeights(): string {
  const file = join(folder, 'bert.safetensors');
  if (!existsSync(file)) tenfold.save(bert().stateDict(), file);
  return file;
}

// ---- ONNX Runtime ----------------------------------------------------------------------------------------------------------

interface OrtTensor {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}
interface Ort {
  Tensor: new (type: 'int64', data: BigInt64Array, dims: readonly number[]) => OrtTensor;
  InferenceSession: {
    create(file: string, options: object): Promise<{ run(feeds: object): Promise<Record<string, OrtTensor>> }>;
  };
}
/** The same model in ONNX Runtime, exported once. */
async function onnxruntime(): Promise<ModelFunction> {
  const ort = loadPackage('onnxruntime-node') as Ort;
  const file = join(folder, 'model.onnx');
  if (!existsSync(file)) {
    // Positions are an input there: how many there are is known in JavaScript only.
    let given: tenfold.Tensor;
    const inner = weighted(makeBert({ ...tenfold, arange: () => given }) as tenfold.nn.Module);
    class WithPositions extends tenfold.nn.Module {
      readonly inner = inner;
      override forward(ids: tenfold.Tensor, mask: tenfold.Tensor, positions: tenfold.Tensor): tenfold.Tensor {
        given = positions;
        return this.inner.forward(ids, mask) as tenfold.Tensor;
      }
    }
    const ids = tenfold.randint(1000, 20_000, [2, 9]);
    const open = { 0: 'rows', 1: 'length' };
    tenfold.onnx.export(new WithPositions().eval(), [ids, tenfold.onesLike(ids), tenfold.arange(9)], file, {
      inputNames: ['ids', 'mask', 'positions'],
      outputNames: ['embedding'],
      dynamicAxes: { ids: open, mask: open, positions: { 0: 'length' }, embedding: { 0: 'rows' } },
    });
  }
  const session = await ort.InferenceSession.create(file, { intraOpNumThreads: threads, interOpNumThreads: 1 });
  const feed = (t: tenfold.Tensor): OrtTensor => new ort.Tensor('int64', t.toTypedArray() as BigInt64Array, t.shape);
  return async ({ ids, mask }: Values) => {
    const positions = tenfold.arange((ids as tenfold.Tensor).shape[1]!);
    const { embedding } = await session.run({
      ids: feed(ids as tenfold.Tensor),
      mask: feed(mask as tenfold.Tensor),
      positions: feed(positions),
    });
    return { embedding: tenfold.fromTypedArray(embedding!.data, [...embedding!.dims]) };
  };
}

// ---- the server --------------------------------------------------------------------------------------------------------------

const padding = { ids: { dim: 1 }, mask: { dim: 1 } };
const ports = { inputs: inputs as TensorSpec[], outputs: outputs as TensorSpec[] };
async function definition(): Promise<HandlerOptions> {
  const batched = { ...ports, padding, maxBatchSize: 32 };
  const single = { ...ports, maxBatchSize: 1 };
  switch (kind) {
    case 'tenfold':
      return { models: { minilm: { model: bert(), ...batched } } };
    case 'tenfold single':
      return { models: { minilm: { model: bert(), ...single } } };
    case 'tenfold workers': {
      const file = fileURLToPath(new URL('../../examples/embeddings/bert.mjs', import.meta.url));
      return { models: { minilm: { file, weights: ownWeights(), workers: 2, ...batched } } };
    }
    case 'onnxruntime':
      return { models: { minilm: { model: await onnxruntime(), ...single } } };
    case 'onnxruntime batched':
      return { models: { minilm: { model: await onnxruntime(), ...batched } } };
    default:
      throw new Error(`no server of kind ${kind}`);
  }
}
const protocol = handler(await definition());
await protocol.ready;
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
const server = createServer((req, res) => {
  if (req.url !== '/delay') return protocol(req, res);
  const { rss } = process.memoryUsage();
  const cpu = process.cpuUsage();
  res.end(JSON.stringify({ p99: delay.percentile(99) / 1e6 - 1, rss, cpu: (cpu.user + cpu.system) / 1e6 }));
  delay.reset();
});
server.listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${(server.address() as { port: number }).port}`);
});
