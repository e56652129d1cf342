import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** The tests of the package as it is published: they run programs against its tarball, one after the other. */
export default defineConfig({
  // Not by name: a bare root file system has no /etc/hosts to find localhost in.
  server: { host: '127.0.0.1' },
  resolve: {
    // Vitest asks packages for what their developers use, and this one names sources then that it doesn't publish.
    alias: { '@arethetypeswrong/core': fileURLToPath(import.meta.resolve('@arethetypeswrong/core')) },
  },
  test: {
    include: ['test/package/**/*.test.ts'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 300_000,
    passWithNoTests: false,
  },
});
