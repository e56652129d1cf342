/**
 * How many of PyTorch's operators are whole here: every sample of OpInfo, its gradients, and every call that PyTorch refuses.
 *
 *   python3 scripts/record/operators.py --whole DIR     some minutes
 *   npx tsx test/operators/whole.ts DIR [op ...]        what isn't whole, and why
 *
 * An operator that PyTorch has under a name that isn't here counts as missing.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { exists, spelling } from './calls.js';
import { refusalProblems, sampleProblems } from './check.js';
import { EXCEPTIONS } from './exceptions.js';
import type { OperatorFile } from './format.js';

const [folder, ...only] = process.argv.slice(2);
if (folder === undefined) throw new TypeError('whole.ts: give the folder that operators.py --whole wrote');
process.removeAllListeners('warning');
process.on('warning', () => undefined);

const names = readdirSync(folder).filter((file) => file.endsWith('.json.gz')).map((file) => file.slice(0, -8)).sort(); // prettier-ignore
const missing: string[] = [];
const partial: string[] = [];
let whole = 0;
for (const name of names) {
  if (only.length > 0 && !only.includes(name)) continue;
  const file = JSON.parse(gunzipSync(readFileSync(join(folder, `${name}.json.gz`))).toString()) as OperatorFile;
  if (file.samples.length + file.errors.length === 0) continue; // only for complex numbers, or for other layouts
  if (!file.forms.some((form) => exists(spelling(file.op, form)))) {
    missing.push(name);
    continue;
  }
  const { slack } = EXCEPTIONS[name] ?? {};
  const problems = [...sampleProblems(file, { slack }), ...refusalProblems(file, {})];
  if (problems.length === 0) whole++;
  else {
    partial.push(name);
    console.log(`${name}: ${problems.length} of ${file.samples.length + file.errors.length}`);
    for (const problem of problems.slice(0, only.length > 0 ? 40 : 3)) console.log(`  ${problem}`);
  }
}
console.log(`\nmissing: ${missing.join(' ')}`);
console.log(`\nnot whole: ${partial.join(' ')}`);
console.log(`\n${whole} whole, ${partial.length} not, ${missing.length} missing`);
