/**
 * Service: what a request is answered with. It knows the protocol's paths, and neither sockets nor frameworks; http/ brings
 * requests to it, from whoever has them.
 */
import { availableParallelism } from 'node:os';
import { ServeError } from './errors.js';
import { Gate } from './batching/gate.js';
import { accessCheck, originHeaders, preflightHeaders } from './http/access.js';
import { compress } from './http/body.js';
import { asServeError, failure, type Incoming, type Outgoing } from './http/exchange.js';
import { LoopDelay } from './metrics/prometheus.js';
import { Registry } from './models/registry.js';
import { Repository } from './models/repository.js';
import { GivenModels, type ModelSource } from './models/source.js';
import { readLimits, type HandlerOptions, type Limits, type LogEntry } from './options.js';
import { routeOf, type Visit } from './routes.js';
import { traceIdOf } from './trace.js';

export class Service {
  readonly registry = new Registry();
  readonly limits: Limits;
  readonly gate: Gate;
  readonly source: ModelSource;
  /** Resolves when the models are loaded. */
  readonly started: Promise<void>;
  /** When the service began, in milliseconds since 1970. */
  readonly since = Date.now();
  readonly loop = new LoopDelay();
  private isStarted = false;
  private isClosing = false;
  private active = 0;
  private whenIdle: (() => void)[] = [];
  /** A ServeError where a request may not come in. */
  readonly checkAccess: ReturnType<typeof accessCheck>;
  private readonly log: ((entry: LogEntry) => void) | null;

  constructor(
    call: string,
    readonly options: HandlerOptions,
    /** Whether only this machine can reach the service. */
    loopbackOnly: boolean,
  ) {
    this.limits = readLimits(call, options.limits);
    this.gate = new Gate(options.maxConcurrency ?? availableParallelism());
    this.checkAccess = accessCheck(options, loopbackOnly);
    const { log } = options;
    this.log = typeof log === 'function' ? log : log === true ? writeLine : null;
    this.source = sourceOf(call, options, this.registry, this.gate);
    this.started = this.source.start().then(() => {
      this.isStarted = true;
    });
    this.started.catch(() => {}); // whoever waits for it is told; the others see it in the index
  }

  get ready(): boolean {
    return this.isStarted && !this.isClosing;
  }
  get closing(): boolean {
    return this.isClosing;
  }

  /** The answer to a request; null where the path is none of the service's. Never throws. */
  async respond(incoming: Incoming): Promise<Outgoing | null> {
    const begun = performance.now();
    const [path = '/', query = ''] = incoming.url.split('?', 2);
    const visit: Visit = { incoming, service: this, query: new URLSearchParams(query), begun, notes: {} };
    let outgoing: Outgoing;
    try {
      const found = await this.during(() => this.answer(path, visit));
      if (found === null) return null;
      outgoing = await compress(found, incoming.header('accept-encoding'));
    } catch (error) {
      const { status, message, cause } = asServeError(error, true);
      visit.notes.error = cause instanceof Error ? (cause.stack ?? cause.message) : message;
      visit.ended?.(status);
      outgoing = failure(error, this.options.exposeErrors ?? false);
    }
    Object.assign(outgoing.headers, SAFE_HEADERS, originHeaders(incoming, this.options));
    this.logRequest(visit, path, outgoing.status);
    return outgoing;
  }

  private async answer(path: string, visit: Visit): Promise<Outgoing | null> {
    const { incoming } = visit;
    const route = routeOf(path, visit);
    if (route === null) return null;
    await this.checkAccess(incoming, path);
    if (incoming.method === 'OPTIONS') return { status: 204, headers: { ...preflightHeaders }, body: [] };
    const run = route[incoming.method === 'HEAD' ? 'GET' : incoming.method];
    if (run === undefined) {
      throw new ServeError(405, `${incoming.method} is not for this path`, {
        headers: { allow: Object.keys(route).join(', ') },
      });
    }
    return run();
  }

  /** Does something that close() waits for. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.active++;
    try {
      return await work();
    } finally {
      if (--this.active === 0) for (const tell of this.whenIdle.splice(0)) tell();
    }
  }

  private logRequest({ incoming, begun, notes }: Visit, path: string, status: number): void {
    if (this.log === null) return;
    const traceId = traceIdOf(incoming.header('traceparent'));
    this.log({
      time: new Date().toISOString(),
      method: incoming.method,
      path,
      status,
      duration: Math.round((performance.now() - begun) * 1000) / 1000,
      ...notes,
      ...(traceId === null ? {} : { traceId }),
    });
  }

  /** Not ready any more; resolves when what was begun is answered, at the latest after `deadline` milliseconds. */
  async close(deadline: number): Promise<void> {
    this.isClosing = true;
    this.source.close();
    this.loop.close();
    const idle = new Promise<void>((resolve) => {
      this.whenIdle.push(resolve);
      if (this.active === 0) resolve();
      setTimeout(resolve, deadline).unref();
    });
    await Promise.all([idle, this.registry.close(deadline)]);
  }
}

/** Nobody shall guess what an answer is, or show one inside of a page of his own. */
const SAFE_HEADERS = { 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' };

const writeLine = (entry: LogEntry): void => void process.stdout.write(JSON.stringify(entry) + '\n');

function sourceOf(call: string, { models, pollInterval }: HandlerOptions, registry: Registry, gate: Gate): ModelSource {
  return typeof models === 'string'
    ? new Repository(call, models, registry, gate, pollInterval ?? POLL_MS)
    : new GivenModels(models, registry, gate);
}
/** How often a repository is looked at: some calls of stat(). */
const POLL_MS = 1000;
