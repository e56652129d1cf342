/** PyTorch's own samples of its modules, in both modes, and the calls that it refuses: recorded by scripts/record/module_samples.py. */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { EXCEPTIONS } from './moduleExceptions.js';
import { readModule, recordedModules, refusalProblems, sampleProblems } from './moduleSamples.js';

const FOLDER = fileURLToPath(new URL('../fixtures/module_samples', import.meta.url));

describe('modules give PyTorch’s text, initial values, results, state and gradients', () => {
  for (const name of recordedModules(FOLDER)) {
    it(name, () => {
      const file = readModule(FOLDER, name);
      expect(file.samples.length).toBeGreaterThan(0);
      expect([...sampleProblems(file, EXCEPTIONS[name]?.slack), ...refusalProblems(file)].join('\n')).toBe('');
    });
  }
});
