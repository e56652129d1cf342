/**
 * test/operators, every operator against PyTorch's answers, as one file that a Node of any platform can run:
 *
 *   TENFOLD_BINARY=… node build/prebuilds/operators.mjs report.json
 */
import { createRequire } from 'node:module';
import { dirname, join, relative, sep } from 'node:path';
import { root } from '../setup.mjs';

/**
 * Which of equal values topk() finds first is the C++ library's choice: PyTorch's and ours agree where both have GCC's.
 */
export const TIES = ['topk: results and gradients'];

/** Bundles the tests and the library's sources; the file. */
export function bundleOperators() {
  const { buildSync } = createRequire(join(root, 'node_modules', 'vite', 'package.json'))('esbuild');
  const file = join(root, 'build', 'prebuilds', 'operators.mjs');
  const tests = join(root, 'test', 'operators');
  const home = `${relative(dirname(file), tests).split(sep).join('/')}/`;
  buildSync({
    stdin: {
      contents: `
        import { writeFileSync } from 'node:fs';
        import './operators.test.ts';
        import { runTests } from 'vitest';
        process.emitWarning = () => {};
        const [report, ...leaveOut] = process.argv.slice(2);
        writeFileSync(report, JSON.stringify(runTests(leaveOut)));`,
      resolveDir: tests,
    },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    outfile: file,
    alias: { vitest: join(root, 'scripts', 'prebuilds', 'bare-vitest.mjs') },
    // The tests find their fixtures beside themselves.
    define: { 'import.meta.url': 'testsUrl' },
    banner: { js: `const testsUrl = new URL(${JSON.stringify(home)}, import.meta.url).href;` },
    logLevel: 'error',
  });
  return file;
}
