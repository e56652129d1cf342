/**
 * How many of PyTorch's modules are whole here: every sample of ModuleInfo (initial values, text, results, state, gradients and their
 * gradients, copies, in place), in both modes, and every call that PyTorch refuses.
 *
 *   python3 scripts/record/module_samples.py --whole DIR     a minute
 *   npx tsx test/nn/whole.ts DIR [Module ...]                what isn't whole, and why
 */
import { EXCEPTIONS } from './moduleExceptions.js';
import { readModule, recordedModules, refusalProblems, sampleProblems } from './moduleSamples.js';

const [folder, ...only] = process.argv.slice(2);
if (folder === undefined) throw new TypeError('whole.ts: give the folder that module_samples.py --whole wrote');
process.removeAllListeners('warning');
process.on('warning', () => undefined);

const partial: string[] = [];
let whole = 0;
for (const name of recordedModules(folder)) {
  if (only.length > 0 && !only.includes(name)) continue;
  const file = readModule(folder, name);
  const problems = [...sampleProblems(file, EXCEPTIONS[name]?.slack), ...refusalProblems(file)];
  if (problems.length === 0) whole++;
  else {
    partial.push(name);
    console.log(`${name}: ${problems.length} of ${file.samples.length + file.errors.length}`);
    for (const problem of problems.slice(0, only.length > 0 ? 40 : 3)) console.log(`  ${problem}`);
  }
}
console.log(`\nnot whole: ${partial.join(' ')}`);
console.log(`\n${whole} whole, ${partial.length} not`);
