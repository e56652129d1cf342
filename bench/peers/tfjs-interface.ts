/** What the tasks call of @tensorflow/tfjs and of its wasm backend: this project installs neither. */

export interface Tensor {
  readonly shape: number[];
  add(other: Tensor | number): Tensor;
  sub(other: Tensor): Tensor;
  mul(other: Tensor | number): Tensor;
  relu(): Tensor;
  exp(): Tensor;
  tanh(): Tensor;
  sigmoid(): Tensor;
  erf(): Tensor;
  square(): Tensor;
  rsqrt(): Tensor;
  sum(axis?: number): Tensor;
  mean(axis?: number): Tensor;
  max(axis?: number): Tensor;
  softmax(axis?: number): Tensor;
  reshape(shape: readonly number[]): Tensor;
  transpose(axes?: readonly number[]): Tensor;
  maxPool(size: number, strides: number, pad: 'valid' | 'same'): Tensor;
  dataSync(): Float32Array;
  dispose(): void;
}

export interface Variable extends Tensor {
  assign(value: Tensor): void;
}

export interface Optimizer {
  /** One step; the value of `loss` where it is asked for. */
  minimize(loss: () => Tensor, returnCost: true): Tensor;
  applyGradients(grads: Record<string, Tensor>): void;
}

export interface Tfjs {
  version: { tfjs: string };
  enableProdMode(): void;
  setBackend(name: string): Promise<boolean>;
  env(): { getAsync(flag: string): Promise<boolean | number> };

  tensor(values: Float32Array | number[], shape?: readonly number[]): Tensor;
  tensor1d(values: number[], dtype: 'int32'): Tensor;
  variable(initial: Tensor): Variable;
  oneHot(indices: Tensor, depth: number): Tensor;
  tidy<T extends Tensor | void>(f: () => T): T;
  dispose(tensors: Tensor | Tensor[] | Record<string, Tensor>): void;
  disposeVariables(): void;

  add(a: Tensor, b: Tensor): Tensor;
  matMul(a: Tensor, b: Tensor, transposeA?: boolean, transposeB?: boolean): Tensor;
  split(x: Tensor, parts: number, axis: number): Tensor[];
  moments(x: Tensor, axis: number, keepDims: boolean): { mean: Tensor; variance: Tensor };
  fused: {
    matMul(o: { a: Tensor; b: Tensor; bias: Tensor; activation?: 'linear' | 'relu' }): Tensor;
    conv2d(o: { x: Tensor; filter: Tensor; strides: number; pad: 'same'; bias: Tensor; activation: 'relu' }): Tensor;
  };
  losses: {
    softmaxCrossEntropy(oneHotLabels: Tensor, logits: Tensor): Tensor;
    meanSquaredError(labels: Tensor, predictions: Tensor): Tensor;
  };
  train: {
    sgd(learningRate: number): Optimizer;
    adam(learningRate: number, beta1: number, beta2: number, epsilon: number): Optimizer;
  };

  grad(f: (x: Tensor) => Tensor): (x: Tensor, dy?: Tensor) => Tensor;
  valueAndGrads(f: (...x: Tensor[]) => Tensor): (x: Tensor[], dy?: Tensor) => { value: Tensor; grads: Tensor[] };
  variableGrads(f: () => Tensor): { value: Tensor; grads: Record<string, Tensor> };
}

export interface WasmBackend {
  setThreadsCount(threads: number): void;
  getThreadsCount(): number;
}
