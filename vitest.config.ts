import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Not by name: a bare root file system has no /etc/hosts to find localhost in.
  server: { host: '127.0.0.1' },
  // The examples import the package by its name: here that is the source, so that no build can be stale.
  resolve: {
    alias: {
      'tenfold/distributed': fileURLToPath(new URL('lib/distributed/index.ts', import.meta.url)),
      'tenfold/serve': fileURLToPath(new URL('lib/serve/index.ts', import.meta.url)),
      tenfold: fileURLToPath(new URL('lib/index.ts', import.meta.url)),
    },
  },
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/turn.ts'],
    // They have a configuration of their own.
    exclude: ['test/package/**'],
    // A process for each file: native state and the thread pool are not shared, and a crash names its file.
    pool: 'forks',
    poolOptions: { forks: { maxForks: availableParallelism(), minForks: 1 } },
    // Every launch is held against its kernel's declaration (lib/launch/watch.ts).
    env: { TENFOLD_CHECK: '1' },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    passWithNoTests: false,
  },
});
