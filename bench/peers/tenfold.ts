/** Tenfold's side: the code that a user would write, through the public interface. */
import { compile, getNumThreads, noGrad } from 'tenfold';
import { MEMORY, residentDuring } from '../memory.js';
import { type Loop, type Subject } from '../task.js';
import { attention } from '../tasks/attention.js';
import { elementwise } from '../tasks/elementwise.js';
import { limits } from '../tasks/limits.js';
import { matmul } from '../tasks/matmul.js';
import { models } from '../tasks/models.js';
import { movement } from '../tasks/movement.js';
import { networks } from '../tasks/networks.js';
import { overhead } from '../tasks/overhead.js';
import { recurrent } from '../tasks/recurrent.js';
import { reduce } from '../tasks/reduce.js';
import { tiny } from '../tasks/tiny.js';
import { serve } from './worker.js';

const tasks = {
  ...overhead, ...tiny, ...elementwise, ...reduce, ...movement, ...matmul, ...attention, ...recurrent, ...networks,
  ...models, ...limits,
}; // prettier-ignore

/** Whether this is the column of compiled iterations: the same code, each task's whole iteration compiled. */
const COMPILES = process.env.BENCH_COMPILE === '1';

/** A subject's iterations, without recording where it asks for that. */
const loopOf = (subject: Subject): Loop => {
  let step: (() => unknown) | null = null;
  return (count) => {
    step ??= COMPILES ? compile(() => subject.step()) : () => subject.step();
    const run = step;
    const loop = (): void => {
      for (let i = 0; i < count; i++) run();
    };
    if (subject.forwardOnly) noGrad(loop);
    else loop();
  };
};

await serve({ node: process.version, threads: getNumThreads() }, tasks, loopOf, (task, warmUp, steps) =>
  residentDuring(MEMORY[task]!.subject(), warmUp, steps),
);
