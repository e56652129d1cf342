/** Modules and parameters in `#private` fields, which nobody outside their class can see: it is said, once for a class. */

const seen = new WeakSet<object>();
/** Names of the classes whose instances are parts: what `new` makes in a private field is told by them. */
const partClasses = new Set<string>(['Parameter']);
const classes = new WeakSet<object>();
/** Takes note of a class of modules. */
export function notePartClass(made: { readonly name: string }): void {
  if (classes.has(made)) return;
  classes.add(made);
  partClasses.add(made.name);
}

// As written, and as compilers without private fields write it: `#head = new nn.Linear(…)`, `__privateAdd(this, _head, new …)`,
// `_Net_head.set(this, new …)`.
const PRIVATE = /(?:#([\w$]+)\s*=|__privateAdd\(this,\s*_([\w$]+),|_([\w$]+)\.set\(this,)\s*\[?\s*new\s+([\w$.]+)/g;

/** Warns of a class whose source puts modules or parameters into private fields: parameters() and stateDict() don't see them. */
export function warnOfPrivateParts(made: { readonly name: string }): void {
  if (seen.has(made)) return;
  seen.add(made);
  const source = Function.prototype.toString.call(made);
  for (const [, own, added, set, kind] of source.matchAll(PRIVATE)) {
    if (!partClasses.has(kind!.split('.').at(-1)!)) continue;
    process.emitWarning(
      `${made.name}.#${own ?? added ?? set} is private: parameters() and stateDict() can't see it, and it won't train; make it a plain property`,
      'TenfoldWarning',
    );
    return;
  }
}
