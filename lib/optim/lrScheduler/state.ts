/** Schedules' checkpoints, under PyTorch's names. */
import { checkOptions } from '../../errors.js';

/** Where PyTorch's name of a field is not the field's in snake_case. */
const NAMES: Record<string, string> = {
  lastLr: '_last_lr', stepCount: '_step_count', TMax: 'T_max', T0: 'T_0', TMult: 'T_mult', Ti: 'T_i', TCur: 'T_cur',
  scaleFn: '_scale_fn_custom', phases: '_schedule_phases', annealStrategy: '_anneal_func_type', useBeta1: 'use_beta1',
}; // prettier-ignore
/** What PyTorch 2.15 or an older one writes and nobody here needs. */
const IGNORED = ['_is_initial', '_get_lr_called_within_step', 'verbose', 'default_min_lr', 'mode_worse', '_scale_fn_ref', 'anneal_func', '_schedulers', 'optimizer']; // prettier-ignore

const snake = (name: string): string => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
export const camel = (name: string): string => name.replace(/_([a-z])/g, (_, c: string) => c.toUpperCase());
export const keyOf = (field: string): string => NAMES[field] ?? snake(field);

/** Numbers by integers, as Python's Counter: written to a file its keys are integers, to JSON an object's. */
class Counts extends Map<number, number> {
  toJSON(): Record<string, number> {
    return Object.fromEntries(this);
  }
}
/** [2, 2, 4] as { 2: 2, 4: 1 }. */
export function countsOf(list: readonly number[]): Map<number, number> {
  const counts = new Counts();
  for (const x of list) counts.set(x, (counts.get(x) ?? 0) + 1);
  return counts;
}
/** The list again: of counts, of an object that JSON made of them, or a list as earlier versions wrote it. */
export function listOfCounts(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const entries = value instanceof Map ? [...(value as Map<unknown, unknown>)] : Object.entries(value);
  return entries.flatMap(([x, n]) => new Array<number>(Number(n)).fill(Number(x))).sort((a, b) => a - b);
}

/** The fields of a state dict, by PyTorch's names or (of earlier versions) their own; refuses what a schedule doesn't have. */
export function fieldsOf(
  call: string,
  stateDict: Record<string, unknown>,
  fields: readonly string[],
): Record<string, unknown> {
  const byKey = new Map(fields.flatMap((field) => [[keyOf(field), field] as const, [field, field] as const]));
  checkOptions(call, stateDict, [...byKey.keys(), ...IGNORED], [...new Set(fields.map(keyOf))]);
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(stateDict)) {
    const field = byKey.get(key);
    if (field !== undefined) out[field] = structuredClone(value);
  }
  return out;
}
