/** The models of a server by name and version: finding, loading, replacing and unloading them. */
import { ServeError, badRequest } from '../errors.js';
import type { LoadedModel } from './definition.js';

/** A version that is not ready, and why. */
export interface Absent {
  readonly version: string;
  readonly state: 'LOADING' | 'UNAVAILABLE';
  readonly reason: string;
}

interface Entry {
  readonly ready: Map<string, LoadedModel>;
  readonly absent: Map<string, Absent>;
}

/** A line of the repository's index, as the protocol has it. */
export interface IndexEntry {
  name: string;
  version: string;
  state: 'READY' | 'LOADING' | 'UNAVAILABLE';
  reason: string;
}

/** Versions from old to new: numbers by value, others by letters. */
export const compareVersions = (a: string, b: string): number =>
  a.localeCompare(b, 'en', { numeric: true }) || (a < b ? -1 : 1);

export class Registry {
  private readonly entries = new Map<string, Entry>();
  /** Versions that were replaced or unloaded and still finish what they have. */
  private readonly ending = new Set<Promise<void>>();

  private entry(name: string): Entry {
    let entry = this.entries.get(name);
    if (entry === undefined) this.entries.set(name, (entry = { ready: new Map(), absent: new Map() }));
    return entry;
  }

  get names(): string[] {
    return [...this.entries.keys()];
  }
  /** All that are ready, the versions of a model from old to new. */
  get loaded(): LoadedModel[] {
    return [...this.entries.values()].flatMap(({ ready }) =>
      [...ready.values()].sort((a, b) => compareVersions(a.version, b.version)),
    );
  }
  versions(name: string): LoadedModel[] {
    return this.loaded.filter((model) => model.name === name);
  }

  /** The version asked for, or the newest. A 404 where there is none, 503 where it is not ready yet. */
  find(name: string, version?: string): LoadedModel {
    const entry = this.entries.get(name);
    const found = version ? entry?.ready.get(version) : this.versions(name).at(-1);
    if (found !== undefined) return found;
    const which = `'${name}'${version ? ` version '${version}'` : ''}`;
    const absent = version ? entry?.absent.get(version) : entry?.absent.values().next().value;
    if (absent === undefined) throw new ServeError(404, `there is no model ${which}`);
    throw new ServeError(503, `model ${which} is not ready: ${absent.reason || 'it is being loaded'}`);
  }

  /** Puts a version into service; one that had its place finishes what it has and goes. */
  add(model: LoadedModel): void {
    const entry = this.entry(model.name);
    const before = entry.ready.get(model.version);
    entry.ready.set(model.version, model);
    entry.absent.delete(model.version);
    if (before !== undefined) this.end(before);
  }
  /** Notes why a version isn't there. One that is ready stays in service. */
  note(name: string, absent: Absent): void {
    this.entry(name).absent.set(absent.version, absent);
  }
  /** Takes a version, or all, out of service. */
  remove(name: string, version?: string, reason = 'unloaded'): void {
    const entry = this.entries.get(name);
    if (entry === undefined) throw badRequest(`there is no model '${name}'`);
    for (const model of [...entry.ready.values()]) {
      if (version !== undefined && model.version !== version) continue;
      entry.ready.delete(model.version);
      entry.absent.set(model.version, { version: model.version, state: 'UNAVAILABLE', reason });
      this.end(model);
    }
  }
  /** Forgets a model of which nothing is in service. */
  forget(name: string): void {
    this.entries.delete(name);
  }
  /** Forgets why a version wasn't there. */
  forgetAbsent(name: string, version: string): void {
    this.entries.get(name)?.absent.delete(version);
  }

  private end(model: LoadedModel, deadline?: number): void {
    const ended = model.batcher
      .close(deadline === undefined ? {} : { deadline })
      .finally(() => this.ending.delete(ended));
    this.ending.add(ended);
  }
  /** Closes all; resolves when they have finished, at the latest after `deadline` milliseconds. */
  async close(deadline: number): Promise<void> {
    for (const { ready } of this.entries.values()) {
      for (const model of ready.values()) this.end(model, deadline);
    }
    await Promise.all(this.ending);
  }

  index(onlyReady: boolean): IndexEntry[] {
    return [...this.entries].flatMap(([name, { ready, absent }]) => {
      const lines: IndexEntry[] = [...ready.keys()].map((version) => {
        const reason = absent.get(version)?.reason ?? '';
        return { name, version, state: 'READY', reason };
      });
      if (onlyReady) return lines;
      const others = [...absent.values()].filter(({ version }) => !ready.has(version));
      return [...lines, ...others.map(({ version, state, reason }) => ({ name, version, state, reason }))];
    });
  }
}
