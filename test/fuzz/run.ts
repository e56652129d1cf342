/**
 * npm run fuzz -- [--seed N] [--calls N] [--seconds S] [--exact]
 *
 * Calls whatever users can reach with arguments of every kind, right and wrong, in child processes. A fault is a crash, more
 * than two seconds, memory beyond what the result needs, a value thrown that is no Error, JavaScript's own complaint, an error
 * that doesn't name its call, or a backward that refuses what forward took. Each kind is printed once, as a call made as small
 * as it goes. --exact gives every tensor a buffer of its own of exactly its size, for AddressSanitizer:
 *   cmake -S . -B build/asan -DTENFOLD_SANITIZE=address -DTENFOLD_OUT=$PWD/build/asan/out && cmake --build build/asan
 *   ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD=$(gcc -print-file-name=libasan.so) \
 *     TENFOLD_BINARY=build/asan/out/tenfold.node npm run fuzz -- --exact
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { textOf, type Call } from './targets.js';

const { values: options } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    calls: { type: 'string', default: '20000' },
    seconds: { type: 'string', default: '110' },
    exact: { type: 'boolean', default: false },
    /** Only what ends the process, hangs or takes memory. */
    crashes: { type: 'boolean', default: false },
  },
});
const BATCH = 2000;
/** A call that says nothing for so long hangs; a child may take longer to begin. */
const PATIENCE = options.exact ? 120_000 : 20_000;
const BEGINNING = 300_000;
const end = performance.now() + 1000 * Number(options.seconds);

interface Fault {
  what: string;
  call: Call;
}
interface Outcome {
  faults: Fault[];
  /** The call after which to go on; null where all were made. */
  diedAt: number | null;
}

function child(args: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const process_ = spawn(
      process.execPath,
      ['--import', 'tsx', '--max-old-space-size=1024', fileURLToPath(new URL('child.ts', import.meta.url)), ...args],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, ...(options.exact ? { TENFOLD_FUZZ_EXACT: '1' } : {}) },
      },
    );
    const faults: Fault[] = [];
    let last: { at: number; call?: Call } = { at: -1 };
    let done = false;
    let hung = false;
    let errors = '';
    let timer = setTimeout(() => {}, 0);
    const rest = (patience: number): void => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        hung = true;
        process_.kill('SIGKILL');
      }, patience);
    };
    rest(BEGINNING);
    process_.stderr.on('data', (text: Buffer) => (errors = (errors + text.toString()).slice(0, 4000)));
    createInterface({ input: process_.stdout }).on('line', (line) => {
      rest(PATIENCE);
      if (!line.startsWith('{')) return;
      const said = JSON.parse(line) as { at?: number; call?: Call; fault?: string; done?: boolean };
      if (said.fault !== undefined) faults.push({ what: said.fault, call: said.call! });
      else if (said.at !== undefined) last = { at: said.at, call: said.call };
      done ||= said.done === true;
    });
    process_.on('close', (code, signal) => {
      clearTimeout(timer);
      if (done) return resolve({ faults, diedAt: null });
      const sanitizer = /AddressSanitizer: [\w-]+|runtime error: .*|Fatal error .*|FATAL ERROR: .*/.exec(errors)?.[0];
      const what = hung ? 'hangs' : `ends the process: ${sanitizer ?? signal ?? `exit code ${code}`}`;
      if (last.call ?? args[0]!.startsWith('{'))
        faults.push({ what, call: last.call ?? (JSON.parse(args[0]!) as Call) });
      else {
        console.error(`a child failed before its first call: ${what}\n${errors}`);
        process.exit(1);
      }
      resolve({ faults, diedAt: last.at });
    });
  });
}

/** Faults of one kind in one call are told once. */
const kindOf = ({ what, call }: Fault): string => `${call.name}: ${what.replace(/[\d.]+/g, '#').replace(/\[[^\]]*\]/g, '[]').slice(0, 60)}`; // prettier-ignore

const SIMPLER = ['0', '1', '[]', 'null', 'h.T([1])', 'h.T([2, 2])'];
/** The same fault with fewer and plainer arguments. */
async function smaller(fault: Fault): Promise<Fault> {
  let best = fault;
  const same = async (call: Call): Promise<boolean> => {
    const { faults } = await child([JSON.stringify(call)]);
    return faults.some((f) => kindOf({ what: f.what, call }) === kindOf(fault));
  };
  for (let tries = 0, i = best.call.args.length - 1; i >= 0 && tries < 24; i--) {
    const { args } = best.call;
    const candidates = [args.filter((_, k) => k !== i), ...SIMPLER.map((s) => args.map((a, k) => (k === i ? s : a)))];
    for (const candidate of candidates) {
      if (candidate[i] === args[i] && candidate.length === args.length) break;
      if (++tries > 24 || performance.now() > end + 60_000) break;
      const call = { ...best.call, args: candidate };
      if (!(await same(call))) continue;
      best = { what: best.what, call };
      break;
    }
  }
  return best;
}

const kinds = new Map<string, Fault>();
let made = 0;
const calls = Number(options.calls);
while (made < calls && performance.now() < end) {
  const count = Math.min(BATCH, calls - made);
  const { faults, diedAt } = await child([options.seed, String(made), String(count)]);
  made = diedAt === null ? made + count : Math.max(diedAt + 1, made + 1);
  for (const fault of faults) {
    const crash = /^(ends|hangs|takes)/.test(fault.what);
    if (kinds.has(kindOf(fault)) || (options.crashes && !crash)) continue;
    kinds.set(kindOf(fault), fault);
    const shown = crash ? await smaller(fault) : fault;
    console.log(`${shown.what}\n    ${textOf(shown.call)}`);
  }
}
console.log(`fuzz: ${made} calls of seed ${options.seed}, ${kinds.size} kinds of fault`);
process.exit(kinds.size === 0 ? 0 : 1);
