/** W3C trace context (https://www.w3.org/TR/trace-context/): what a request's `traceparent` says. */

const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/;

/** The trace that a request belongs to; null where its header is none, or not valid. */
export function traceIdOf(traceparent: string | undefined): string | null {
  const found = TRACEPARENT.exec(traceparent ?? '');
  if (found === null || /^0+$/.test(found[1]!) || /^0+$/.test(found[2]!)) return null;
  return found[1]!;
}
