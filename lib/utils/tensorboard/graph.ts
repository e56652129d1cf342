/** A module's structure as TensorBoard's graph: a node for each module without modules inside, as a run connects them. */
import { show } from '../../errors.js';
import { noGrad } from '../../autograd/mode.js';
import type { Module } from '../../nn/module.js';
import { Tensor } from '../../tensor/tensor.js';
import { inner, message, text, varint, type Field } from './events.js';

const tensorsIn = (value: unknown): Tensor[] =>
  value instanceof Tensor ? [value] : Array.isArray(value) ? value.flatMap(tensorsIn) : [];

/** Shape of what a node gives, as TensorBoard shows it. */
const shapeAttribute = (t: Tensor): Field =>
  inner(5, text(1, '_output_shapes'), inner(2, inner(1, inner(7, ...t.shape.map((n) => inner(2, varint(1, n)))))));

/**
 * Runs the module once, without recording, and gives the graph. An operation between modules has no node; what follows it is
 * connected with the module that ran before.
 */
export function graphOf(model: Module, inputs: readonly unknown[]): Uint8Array {
  const nodes: Field[] = [];
  const madeBy = new Map<Tensor, string>();
  const root = model.constructor.name;
  const used = new Map<string, number>();
  inputs.flatMap(tensorsIn).forEach((t, i) => {
    const name = `input/${i}`;
    madeBy.set(t, name);
    nodes.push(inner(1, text(1, name), text(2, 'Input'), shapeAttribute(t)));
  });
  let before = [...madeBy.values()];
  const add = (path: string, module: Module, args: readonly unknown[], output: unknown): void => {
    const times = used.get(path) ?? 0;
    used.set(path, times + 1);
    const name = `${root}/${path.replaceAll('.', '/') || root}${times > 0 ? `_${times}` : ''}`;
    const known = args.flatMap(tensorsIn).flatMap((t) => madeBy.get(t) ?? []);
    const outputs = tensorsIn(output);
    nodes.push(
      inner(
        1,
        text(1, name),
        text(2, module.constructor.name),
        ...[...new Set(known.length > 0 ? known : before)].map((from) => text(3, from)),
        ...outputs.slice(0, 1).map(shapeAttribute),
      ),
    );
    for (const t of outputs) madeBy.set(t, name);
    before = [name];
  };
  const hooks = [...model.namedModules()].flatMap(([path, module]) =>
    [...module.children()].length > 0
      ? []
      : [
          module.registerForwardHook((m: Module, args: readonly unknown[], output: unknown) =>
            add(path, m, args, output),
          ),
        ],
  );
  try {
    noGrad(() => (model.forward as (...args: unknown[]) => unknown)(...inputs));
  } finally {
    hooks.forEach((hook) => hook.remove());
  }
  nodes.push(inner(1, text(1, 'output'), text(2, 'Output'), ...before.map((from) => text(3, from))));
  return message(...nodes, inner(4, varint(1, 22)));
}

/** The inputs of a run: one, or a list of several. */
export function inputsOf(given: unknown): readonly unknown[] {
  const list = Array.isArray(given) ? (given as unknown[]) : [given];
  if (list.flatMap(tensorsIn).length === 0)
    throw new TypeError(`addGraph: the module is run once, so it needs an input of tensors, got ${show(given)}`);
  return list;
}
