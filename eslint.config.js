import js from '@eslint/js';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['build/', 'dist/', 'prebuilds/', 'out/', 'coverage/', 'bench/results/', '**/node_modules/'] },
  js.configs.recommended,
  {
    files: ['**/*.mjs', '**/*.cjs', '**/*.js'],
    languageOptions: { globals: { console: 'readonly', process: 'readonly', performance: 'readonly', Buffer: 'readonly', URL: 'readonly', setTimeout: 'readonly', clearTimeout: 'readonly' } }, // prettier-ignore
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strict, tseslint.configs.stylistic],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      // An index that the code has just made certain says so with `!`.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // noUnusedLocals and noUnusedParameters of tsc do this.
      '@typescript-eslint/no-unused-vars': 'off',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/explicit-module-boundary-types': ['error', { allowArgumentsExplicitlyTypedAsAny: true }],
      eqeqeq: 'error',
      // How many arguments a call has been given is no part of its type.
      'prefer-rest-params': 'off',
      // Off, each for a reason: overloads document a call better than one long signature; hot loops count; the ops' user
      // functions are classes of static methods, as PyTorch's; an empty arrow is a clear no-op.
      '@typescript-eslint/unified-signatures': 'off',
      '@typescript-eslint/prefer-for-of': 'off',
      '@typescript-eslint/no-extraneous-class': 'off',
      '@typescript-eslint/class-literal-property-style': 'off',
      '@typescript-eslint/no-empty-function': 'off',
      '@typescript-eslint/no-invalid-void-type': 'off',
      '@typescript-eslint/no-dynamic-delete': 'off',
      'no-console': 'off',
    },
  },
  { files: ['lib/**'], rules: { 'no-console': 'error' } },
);
