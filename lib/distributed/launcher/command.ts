/** The command line: `npx tenfold-run -n 2 train.mjs`. */
import { launch } from './launch.js';
import { HELP, UsageError, readLaunchOptions } from './options.js';

async function main(): Promise<number> {
  try {
    const options = readLaunchOptions(process.argv.slice(2));
    if (options !== null) return await launch(options);
    process.stdout.write(HELP + '\n');
    return 0;
  } catch (error) {
    process.stderr.write(`tenfold-run: ${(error as Error).message}\n`);
    if (!(error instanceof UsageError)) return 1;
    process.stderr.write(`${HELP.split('\n')[0]}; --help tells more\n`);
    return 2;
  }
}

void main().then((code) => (process.exitCode = code));
