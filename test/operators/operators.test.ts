/**
 * Every operator against what PyTorch answered: results, gradients, refusals. The samples are PyTorch's own (OpInfo); see
 * scripts/record/README.md. Each sample is called in every way that docs promise: as a function and as a method, with
 * options by name and by position, in place, variadic.
 *
 *   npx vitest run test/operators -t 'crossEntropy'       one operator
 *   UPDATE_PENDING=1 npx vitest run test/operators        rewrite pending.ts
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe as group, expect, it } from 'vitest';
import { exists, spelling, waysOf } from './calls.js';
import { refusalProblems, sampleProblems } from './check.js';
import { readOperator, recordedOperators, type OperatorFile, type Sample } from './format.js';
import { PENDING } from './pending.js';

const SHOWN = 4;
const operators = recordedOperators().map(readOperator);

// ---- the operators ----------------------------------------------------------------------------------------------------

/** What a failing test prints: the first few problems, and how many there are. */
function report(problems: string[], total: number, noun: string): void {
  if (problems.length === 0) return;
  const more = problems.length > SHOWN ? `\n… and ${problems.length - SHOWN} more` : '';
  expect.fail(`${problems.length} of ${total} ${noun} differ\n${problems.slice(0, SHOWN).join('\n')}${more}`);
}

/** Adds an option that doesn't exist to the first sample that has options. */
function checkUnknownOption(file: OperatorFile, sample: Sample): void {
  const way = waysOf(file, sample)[0]!;
  expect(() => way.run({ args: sample.args, named: { ...sample.named, no_such_option: 1 } }, null)).toThrow(
    /noSuchOption/,
  );
}

group('PyTorch’s samples', () => {
  for (const file of operators) {
    if (!file.forms.some((form) => exists(spelling(file.op, form)))) continue;
    const name = spelling(file.op, file.forms[0]!);
    it(`${name}: results and gradients`, () => report(sampleProblems(file), file.samples.length, 'samples'));
    if (file.errors.length > 0)
      it(`${name}: bad calls are refused`, () => report(refusalProblems(file), file.errors.length, 'bad calls'));
    const withOptions = file.samples.find((s) => Object.keys(s.named).length > 0 && waysOf(file, s).length > 0);
    if (withOptions) it(`${name}: an unknown option is refused`, () => checkUnknownOption(file, withOptions));
  }
});

group('the list of operators', () => {
  const forms = operators.flatMap((file) => file.forms.map((form) => spelling(file.op, form)));

  it('pending.ts names exactly the operators that are not there yet', () => {
    const missing = forms.filter((path) => !exists(path)).sort();
    if (process.env.UPDATE_PENDING) {
      const file = new URL('pending.ts', import.meta.url);
      const head = readFileSync(file, 'utf8').split('export const PENDING')[0]!;
      writeFileSync(
        file,
        `${head}export const PENDING: readonly string[] = [\n${missing.map((m) => `  '${m}',\n`).join('')}];\n`,
      );
      return;
    }
    expect({
      'listed, but implemented: delete the line': PENDING.filter((path) => exists(path)),
      'missing, and not listed': missing.filter((path) => !PENDING.includes(path)),
      'listed, but not recorded': PENDING.filter((path) => !forms.includes(path)),
    }).toEqual({
      'listed, but implemented: delete the line': [],
      'missing, and not listed': [],
      'listed, but not recorded': [],
    });
  });

  it('every operator of ops.txt is recorded, and no other', () => {
    const listed = readFileSync(new URL('../../scripts/record/ops.txt', import.meta.url), 'utf8');
    const names = listed.trim().split('\n').map((line) => line.split(' ')[1]!); // prettier-ignore
    expect(operators.map((file) => file.op)).toEqual([...names].sort());
    for (const file of operators) expect(file.samples.length, file.op).toBeGreaterThan(0);
  });
});
