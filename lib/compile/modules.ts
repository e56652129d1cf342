/** Which modules hold the tensors that a plan uses, so that a parameter that was replaced is noticed. */
import { Tensor } from '../tensor/tensor.js';
import { livingModules } from '../native/launch.js';
import type { Storage } from '../tensor/storage.js';

/** A property of a module, as it was. */
export interface ModuleGuard {
  readonly module: Record<string, unknown>;
  readonly key: string;
  readonly value: Tensor;
}

/** The properties of modules that show one of these storages. */
export function modulesWith(storages: readonly Storage[]): ModuleGuard[] {
  const wanted = new Set(storages);
  const guards: ModuleGuard[] = [];
  for (const module of livingModules() as Record<string, unknown>[]) {
    for (const key of Object.keys(module)) {
      const value = module[key];
      if (value instanceof Tensor && wanted.has(value.storage)) guards.push({ module, key, value });
    }
  }
  return guards;
}
