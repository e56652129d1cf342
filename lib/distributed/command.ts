/** What `npx tenfold build-distributed` begins with. */
import { buildDistributed } from './build.js';

process.exitCode = buildDistributed(process.argv.slice(3));
