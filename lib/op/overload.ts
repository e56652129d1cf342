/** Several ops under one name. */
import { Tensor } from '../tensor/tensor.js';
import type { AnyOp, OpRecord } from './define.js';
import { fits, parseArguments } from './schema.js';

/**
 * One name for several ops, as PyTorch's overloads: the first whose schema takes the arguments is called. The type is
 * what the caller states, an Overload; the schema is that of the first op that is a method.
 */
export function overload<F>(name: string, ...ops: { readonly schema: string }[]): F {
  const records = (ops as unknown as AnyOp[]).map((o) => o.op);
  const pick = (args: unknown[]): OpRecord => {
    for (const r of records) if (fits(r.sig, args)) return r;
    // No schema fits: let the one with as many arguments say what is wrong.
    const nearest = records.find((r) => r.sig.positional >= args.length) ?? records[0]!;
    parseArguments(nearest.sig, args, name);
    throw new TypeError(`${name}: arguments fit none of ${records.map((r) => r.sig.schema).join('; ')}`);
  };
  const methods = records.filter((r) => r.sig.params[0]?.name === 'self');
  if (methods.length > 1) {
    (Tensor.prototype as unknown as Record<string, unknown>)[name] = function (this: Tensor, ...args: unknown[]) {
      const all = [this, ...args];
      return pick(all).call(all);
    };
  }
  return Object.assign((...args: unknown[]) => pick(args).call(args), { schema: methods[0]?.sig.schema }) as F;
}
