/**
 * As much of vitest as test/operators asks for, with nothing behind it: so that those tests run in a Node for which neither
 * vitest nor esbuild has a binary. runTests() runs what was named, and says how it went.
 */
const tests = [];

export const describe = (_name, body) => body();
export const it = (name, body) => tests.push([name, body]);

const shown = (value) => String(typeof value === 'object' ? JSON.stringify(value) : value).slice(0, 1000);

export function expect(actual, message = '') {
  const fail = (what) => {
    throw new Error(`${message} ${what}`.trim());
  };
  return {
    toEqual: (expected) => JSON.stringify(actual) === JSON.stringify(expected) || fail(`is ${shown(actual)}`),
    toBe: (expected) => Object.is(actual, expected) || fail(`is ${shown(actual)}`),
    toBeGreaterThan: (least) => actual > least || fail(`is ${shown(actual)}`),
    toThrow(pattern) {
      try {
        actual();
      } catch (error) {
        return pattern.test(error.message) || fail(`says ${error.message}`);
      }
      return fail('throws nothing');
    },
  };
}
expect.fail = (message) => {
  throw new Error(message);
};

/** { passed, failed: messages }, of all tests but those that `leaveOut` names. */
export function runTests(leaveOut) {
  const failed = [];
  const run = tests.filter(([name]) => !leaveOut.includes(name));
  for (const [name, body] of run) {
    try {
      body();
    } catch (error) {
      failed.push(`${name}: ${error.message}`);
    }
  }
  return { passed: run.length - failed.length, failed };
}
