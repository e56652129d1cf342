/** ONNX Runtime's side, inference only: the multilayer perceptron as a model that is built here, in memory. */
import { floats } from '../numbers.js';
import { meanAbs, type Loop, type Subject, type Tasks } from '../task.js';
import { load } from './packages.js';
import { serve } from './worker.js';

// What is called of onnxruntime-node and of onnx-proto: this project installs neither.
interface OrtTensor {
  readonly data: Float32Array;
}
interface Session {
  run(feeds: Record<string, OrtTensor>): Promise<Record<string, OrtTensor>>;
}
interface Ort {
  env: { versions: { node?: string; common: string } };
  Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => OrtTensor;
  InferenceSession: {
    create(model: Uint8Array, options: { intraOpNumThreads: number; interOpNumThreads: number }): Promise<Session>;
  };
}
interface Onnx {
  onnx: { ModelProto: { encode(model: object): { finish(): Uint8Array } } };
}

const ort = load('onnxruntime-node') as Ort;
const { onnx } = load('onnx-proto') as Onnx;
const threads = Number(process.env.BENCH_THREADS ?? 1);

// Codes of the format: TensorProto.DataType.FLOAT, AttributeProto.AttributeType.INT.
const FLOAT = 1;
const INT = 2;

const value = (name: string, dims: readonly (string | number)[]): object => {
  const dim = dims.map((d) => (typeof d === 'string' ? { dimParam: d } : { dimValue: d }));
  return { name, type: { tensorType: { elemType: FLOAT, shape: { dim } } } };
};

/** x [batch, 784] → logits [batch, 10]; weights [out, in], as Gemm's transB takes them. */
function mlpModel(): Uint8Array {
  const node: object[] = [];
  const initializer: object[] = [];
  let h = 'x';
  const layer = (inputs: number, outputs: number, seed: number, activation: boolean, output: string): void => {
    const scale = 1 / Math.sqrt(inputs);
    const [w, b] = [`weight${seed}`, `bias${seed}`];
    const data = (seed: number, count: number): Uint8Array => new Uint8Array(floats(seed, count, scale).buffer);
    initializer.push({ name: w, dims: [outputs, inputs], dataType: FLOAT, rawData: data(seed, outputs * inputs) });
    initializer.push({ name: b, dims: [outputs], dataType: FLOAT, rawData: data(seed + 1, outputs) });
    const product = activation ? `product${seed}` : output;
    node.push({
      opType: 'Gemm',
      input: [h, w, b],
      output: [product],
      attribute: [{ name: 'transB', type: INT, i: 1 }],
    });
    if (activation) node.push({ opType: 'Relu', input: [product], output: [output] });
    h = output;
  };
  layer(784, 512, 1, true, 'h1');
  layer(512, 512, 3, true, 'h2');
  layer(512, 10, 5, false, 'y');
  const input = [value('x', ['batch', 784])];
  const output = [value('y', ['batch', 10])];
  const graph = { name: 'mlp', node, initializer, input, output };
  return onnx.ModelProto.encode({ irVersion: 7, opsetImport: [{ domain: '', version: 13 }], graph }).finish();
}

async function mlpInference(batch: number): Promise<Subject> {
  const session = await ort.InferenceSession.create(mlpModel(), { intraOpNumThreads: threads, interOpNumThreads: 1 });
  const feeds = { x: new ort.Tensor('float32', floats(101, batch * 784), [batch, 784]) };
  const step = () => session.run(feeds);
  return { step, check: async () => ({ y: meanAbs((await step()).y!.data) }), forwardOnly: true };
}

const tasks: Tasks = { 'infer-mlp.b1': () => mlpInference(1), 'infer-mlp.b64': () => mlpInference(64) };

/** One run after the other: they are asynchronous. */
const loopOf =
  ({ step }: Subject): Loop =>
  async (count) => {
    for (let i = 0; i < count; i++) await step();
  };

const { node, common } = ort.env.versions;
await serve({ onnxruntime: node ?? common, node: process.version, threads }, tasks, loopOf);
