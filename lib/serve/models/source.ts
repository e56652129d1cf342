/** Where models come from: a list in the program, or a folder (models/repository.ts). */
import { ServeError } from '../errors.js';
import type { Gate } from '../batching/gate.js';
import { loadModel, readDefinition, type ModelDefinition, type ModelOptions } from './definition.js';
import type { Registry } from './registry.js';

export interface ModelSource {
  /** Loads all that should be there from the start. A model that can't be loaded is noted, and harms no other. */
  start(): Promise<void>;
  /** Loads a model anew; the old one serves until then. */
  load(name: string): Promise<void>;
  unload(name: string): void;
  close(): void;
}

/** Models that a program gives. One that can't be loaded is the program's error: start() throws it. */
export class GivenModels implements ModelSource {
  private readonly definitions: Map<string, ModelOptions>;
  constructor(
    definitions: Readonly<Record<string, ModelDefinition>>,
    private readonly registry: Registry,
    private readonly gate: Gate,
  ) {
    this.definitions = new Map(
      Object.entries(definitions).map(([name, definition]) => [name, readDefinition(name, definition)]),
    );
    for (const [name, options] of this.definitions)
      registry.note(name, { version: String(options.version ?? '1'), state: 'LOADING', reason: '' });
  }
  async start(): Promise<void> {
    for (const name of this.definitions.keys()) await this.load(name);
  }
  async load(name: string): Promise<void> {
    const options = this.definitions.get(name);
    if (options === undefined) throw new ServeError(404, `there is no model '${name}' to load`);
    this.registry.add(await loadModel(name, options, this.gate));
  }
  unload(name: string): void {
    this.registry.remove(name);
  }
  close(): void {}
}
