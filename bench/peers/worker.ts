/**
 * The child's side of a measurement: one JSON request a line on stdin, one answer a line on stdout. pytorch.py speaks
 * the same.
 *
 *   → {"open": "overhead.add"}    ← {"values": {"y": 2}} or {"absent": "why"}
 *   → {"sample": 0.2}             ← {"times": [8.1e-7, …], "busy": [8e-7, …]}     seconds per iteration; busy: of processors
 *   → {"memory": "memory", "warmUp": 50, "steps": 2000}    ← {"before", "after", "peak"}: resident bytes
 */
import { createInterface } from 'node:readline';
import { type Resident } from '../memory.js';
import { Sampler, type Loop, type Subject, type Tasks } from '../task.js';

interface Request {
  open?: string;
  sample?: number;
  memory?: string;
  warmUp?: number;
  steps?: number;
}

/** What a peer says about itself when it is ready. */
export type About = Record<string, string | number>;

/** Why a task is absent that a peer doesn't have; pytorch.py says the same. */
export const UNKNOWN = 'not among its tasks';

const say = (answer: object): void => void process.stdout.write(`${JSON.stringify(answer)}\n`);

const plainLoop =
  (subject: Subject): Loop =>
  (count) => {
    for (let i = 0; i < count; i++) subject.step();
  };

/** Serves requests until stdin ends. `loopOf` runs a subject's iterations as the peer has to. */
export async function serve(
  about: About,
  tasks: Tasks,
  loopOf: (subject: Subject) => Loop = plainLoop,
  residentOf?: (task: string, warmUp: number, steps: number) => Resident,
): Promise<void> {
  say({ about });
  let sampler: Sampler | null = null;
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line) as Request;
    try {
      if (request.open !== undefined) {
        sampler = null; // what the last task held is garbage from here on
        const make = tasks[request.open];
        if (!make) {
          say({ absent: UNKNOWN });
          continue;
        }
        const subject = await make();
        const values = await subject.check();
        sampler = new Sampler(loopOf(subject));
        say({ values });
      } else if (request.memory !== undefined) {
        say(residentOf?.(request.memory, request.warmUp!, request.steps!) ?? { absent: 'not measured' });
      } else {
        say(await sampler!.sample(request.sample!));
      }
    } catch (error) {
      say({ absent: (error as Error).message.split('\n')[0] });
    }
  }
}
