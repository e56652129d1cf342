/** compile, and what it makes. */
export { compile, type Compiled, type CompileOptions } from './compile.js';
export { AsyncOptions } from './async.js';
export { Plan, explain, type Explanation, type PlanLaunch } from './explain.js';
