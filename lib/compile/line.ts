/** Where in the user's code a launch comes from. */
import { fileURLToPath } from 'node:url';

/** The folder that this library's own modules are in, as it stands in stacks. */
const OWN = new URL('..', import.meta.url).href;
const OWN_PATH = OWN.startsWith('file:') ? fileURLToPath(OWN) : OWN;

/** `file:line:column` of the innermost frame that is not this library's; '' where there is none. */
export function lineOf(): string {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 60;
  const { stack } = new Error();
  Error.stackTraceLimit = limit;
  for (const line of (stack ?? '').split('\n').slice(2)) {
    if (line.includes(OWN) || line.includes(OWN_PATH) || line.includes('node:') || line.includes('<anonymous>'))
      continue;
    return /\(?([^()\s]+:\d+:\d+)\)?$/.exec(line)?.[1] ?? '';
  }
  return '';
}
