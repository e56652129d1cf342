/** RNN, LSTM and GRU as one operator a layer, and not as the steps that they run. */
import { type Module } from '../../nn/module.js';
import { GRU, LSTM, RNN } from '../../nn/layers/recurrent.js';
import { cat, stack } from '../../ops/index.js';
import { watched } from '../../op/define.js';
import { Tensor } from '../../tensor/tensor.js';
import { rankOf, type Arg, type Graph } from './graph.js';
import { sliced } from './shapes.js';
import type { Trace } from './trace.js';
import type { Args, Emit } from './translation.js';

type Layer = RNN | LSTM | GRU;

/** The gates in ONNX's order, by their place in PyTorch's. */
const ORDER: Record<string, readonly number[]> = { LSTM: [0, 3, 1, 2], GRU: [1, 0, 2], RNN: [0] };
const kindOf = (layer: Layer): 'LSTM' | 'GRU' | 'RNN' =>
  layer instanceof LSTM ? 'LSTM' : layer instanceof GRU ? 'GRU' : 'RNN';

/** A layer's call is a record of its own: the module's forward is watched, while `fn` runs, in the layer's place. */
export function watchingLayers<T>(module: Module, trace: Trace, fn: () => T): T {
  const layers = module.modules().filter((m): m is Layer => m instanceof RNN || m instanceof LSTM || m instanceof GRU);
  const taken = layers.filter((m) => !Object.hasOwn(m, 'forward') && m.projSize === 0);
  for (const layer of taken) {
    const { forward } = layer as { forward: (...args: unknown[]) => unknown };
    const own = (...args: unknown[]): unknown => {
      const states =
        args[1] === null || args[1] === undefined
          ? []
          : Array.isArray(args[1])
            ? (args[1] as Tensor[])
            : [args[1] as Tensor];
      if (!(args[0] instanceof Tensor)) return forward.apply(layer, args);
      const out = watched(null, () => forward.apply(layer, args)) as [Tensor, Tensor | Tensor[]];
      const outputs = [out[0], ...(Array.isArray(out[1]) ? out[1] : [out[1]])];
      trace.record(`nn.${kindOf(layer)}`, ['layer', 'input', 'states'], [layer, args[0], states], outputs);
      return out;
    };
    Object.defineProperty(layer, 'forward', { value: own, configurable: true, enumerable: false, writable: true });
  }
  try {
    return fn();
  } finally {
    for (const layer of taken) delete (layer as { forward?: unknown }).forward;
  }
}

/** Rows of a weight or bias, gate by gate, in ONNX's order. */
const inOrder = (t: Tensor, kind: string): Tensor => {
  const gates = t.chunk(ORDER[kind]!.length, 0);
  return cat(ORDER[kind]!.map((i) => gates[i]!), 0); // prettier-ignore
};

/** The weights of one layer for both directions: [directions, …]. */
function weightsOf(layer: Layer, index: number): { w: Tensor; r: Tensor; b: Tensor | null } {
  const state = Object.fromEntries(layer.namedParameters('', false)) as Record<string, Tensor>;
  const suffixes = layer.bidirectional ? [`_l${index}`, `_l${index}_reverse`] : [`_l${index}`];
  const all = (name: string): Tensor =>
    stack(suffixes.map((suffix) => inOrder(state[`${name}${suffix}`]!.detach(), kindOf(layer))));
  const bias = layer.bias ? cat([all('bias_ih'), all('bias_hh')], 1) : null;
  return { w: all('weight_ih'), r: all('weight_hh'), b: bias };
}

export const recurrent: Emit = (g: Graph, a: Args) => {
  const layer = a.layer as Layer;
  const kind = kindOf(layer);
  const x = a.input as Arg;
  const states = a.states as Arg[];
  const single = rankOf(x) === 2;
  const swaps = layer.batchFirst && !single;
  const directions = layer.bidirectional ? 2 : 1;
  const turned = (name: string): string => g.node('Transpose', [name], { perm: [1, 0, 2] });
  const widened = (name: string, rank: number): string =>
    rank === 2 ? g.node('Unsqueeze', [name, g.ints([1])]) : name;
  let name = single ? widened(g.of(x), 2) : swaps ? turned(g.of(x)) : g.of(x);
  const starts = states.map((s) => widened(g.of(s), rankOf(s)));
  const last: string[][] = [];
  for (let index = 0; index < layer.numLayers; index++) {
    const { w, r, b } = weightsOf(layer, index);
    const initial = starts.map((s) =>
      layer.numLayers === 1 ? s : sliced(g, s, 0, index * directions, (index + 1) * directions),
    );
    const attributes = {
      hidden_size: layer.hiddenSize,
      direction: layer.bidirectional ? 'bidirectional' : 'forward',
      ...(kind === 'GRU' ? { linear_before_reset: 1 } : {}),
      ...(kind === 'RNN'
        ? { activations: new Array<string>(directions).fill((layer as RNN).nonlinearity === 'relu' ? 'Relu' : 'Tanh') }
        : {}),
    };
    const [y, ...ends] = g.several(
      kind,
      [name, g.constant(w, `${kind}_W`), g.constant(r, `${kind}_R`), b && g.constant(b, `${kind}_B`), null, ...initial],
      attributes,
      kind === 'LSTM' ? 3 : 2,
    );
    last.push(ends);
    // [steps, directions, batch, hidden] → [steps, batch, directions · hidden]
    name = g.node('Reshape', [
      g.node('Transpose', [y!], { perm: [0, 2, 1, 3] }),
      g.ints([0, 0, directions * layer.hiddenSize]),
    ]);
  }
  const ends = last[0]!.map((_, k) =>
    last.length === 1
      ? last[0]![k]!
      : g.node(
          'Concat',
          last.map((list) => list[k]!),
          { axis: 0 },
        ),
  );
  const narrowed = (n: string): string => (single ? g.node('Squeeze', [n, g.ints([1])]) : n);
  return [swaps ? turned(name) : narrowed(name), ...ends.map(narrowed)];
};
