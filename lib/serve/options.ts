/** Options of serve() and handler(), checked. */
import { checkOptions, show } from '../errors.js';
import { duration } from './batching/options.js';
import type { AccessOptions } from './http/access.js';
import type { BodyLimits } from './http/body.js';
import type { ModelDefinition } from './models/definition.js';
import type { TensorLimits } from './protocol/request.js';

/** What a request may take; each has a value that it starts with. */
export interface Limits extends BodyLimits, TensorLimits {}

/** One request, as the log has it. */
export interface LogEntry {
  time: string;
  method: string;
  path: string;
  status: number;
  /** Milliseconds from the request's head to the answer's end. */
  duration: number;
  model?: string;
  version?: string;
  id?: string;
  /** Of the request's `traceparent`. */
  traceId?: string;
  error?: string;
}

/** Options of handler(). */
export interface HandlerOptions extends AccessOptions {
  /** Models by name, or the folder of a model repository. */
  models: Readonly<Record<string, ModelDefinition>> | string;
  /** The server's name and version in its metadata. */
  name?: string;
  /** Limits of a request. */
  limits?: Partial<Limits>;
  /** Batches of all models that are computed at the same time. The number of processors, as it starts. */
  maxConcurrency?: number;
  /** Whether clients may load and unload models over the protocol. No, as it starts. */
  modelControl?: boolean;
  /** Whether clients are told what a model's own error says. No, as it starts; serve(): where only this machine can ask. */
  exposeErrors?: boolean;
  /** One line of JSON a request on the standard output, or each to a function. Off, as it starts. */
  log?: boolean | ((entry: LogEntry) => void);
  /** The status page at '/'. On, as it starts. */
  statusPage?: boolean;
  /** Prometheus metrics at '/metrics'. On, as they start. */
  metrics?: boolean;
  /** Of a model repository: milliseconds between looks for changes. 1,000, as they start; 0: it is not watched. */
  pollInterval?: number;
}
export const HANDLER_OPTIONS = [
  'models',
  'name',
  'limits',
  'maxConcurrency',
  'modelControl',
  'exposeErrors',
  'log',
  'statusPage',
  'metrics',
  'pollInterval',
  'token',
  'authenticate',
  'allowedOrigins',
  'allowedHosts',
] as const;

const DEFAULT_LIMITS: Limits = {
  maxBodyBytes: 64 << 20,
  maxCompressionRatio: 100,
  bodyTimeout: 30_000,
  maxTensors: 64,
  maxElements: 16 << 20,
};

export function readLimits(call: string, given: Partial<Limits> = {}): Limits {
  checkOptions(`${call}: limits`, given, Object.keys(DEFAULT_LIMITS));
  const limits = { ...DEFAULT_LIMITS, ...given };
  for (const [name, value] of Object.entries(limits)) {
    if (name === 'bodyTimeout') duration(call, `limits.${name}`, value);
    else if (!(typeof value === 'number' && value >= 1))
      throw new RangeError(`${call}: limits.${name} must be a number from 1, got ${show(value)}`);
  }
  return limits;
}

/** Refuses options of a wrong kind, which would else be without effect or open what should be closed. */
export function checkHandlerOptions(call: string, options: HandlerOptions, known: readonly string[]): void {
  checkOptions(call, options, known);
  const { models, token } = options;
  if (
    typeof models !== 'string' &&
    (typeof models !== 'object' || (models as unknown) === null || Array.isArray(models))
  )
    throw new TypeError(`${call}: models must be an object of models by name, or a folder; got ${show(models)}`);
  for (const one of token === undefined ? [] : [token].flat()) {
    if (typeof one !== 'string' || one === '')
      throw new TypeError(`${call}: token must be a non-empty string or a list of them, got ${show(one)}`);
  }
  if (Array.isArray(token) && token.length === 0) throw new TypeError(`${call}: token is an empty list`);
  const kinds = {
    name: 'string',
    authenticate: 'function',
    modelControl: 'boolean',
    exposeErrors: 'boolean',
    statusPage: 'boolean',
    metrics: 'boolean',
  } as const;
  for (const [name, kind] of Object.entries(kinds)) {
    const value: unknown = options[name as keyof typeof kinds];
    if (value !== undefined && typeof value !== kind)
      throw new TypeError(`${call}: ${name} must be a ${kind}, got ${show(value)}`);
  }
  for (const name of ['allowedOrigins', 'allowedHosts'] as const) {
    const value: unknown = options[name];
    if (value !== undefined && !(Array.isArray(value) && value.every((v) => typeof v === 'string')))
      throw new TypeError(`${call}: ${name} must be a list of strings, got ${show(value)}`);
  }
  if (options.log !== undefined && typeof options.log !== 'boolean' && typeof options.log !== 'function')
    throw new TypeError(`${call}: log must be a boolean or a function, got ${show(options.log)}`);
  if (options.pollInterval !== undefined) duration(call, 'pollInterval', options.pollInterval);
}
