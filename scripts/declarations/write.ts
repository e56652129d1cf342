/** node --import tsx scripts/declarations/write.ts FOLDER: makes tsc's declarations in a folder readable, in place. */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Declarations } from './index.js';

/** The .d.ts files of a folder and their maps, by path. */
export function readDeclarations(folder: string): Map<string, string> {
  const names = readdirSync(folder, { recursive: true }).map((f) => String(f).replaceAll('\\', '/'));
  return new Map(
    names.filter((f) => /\.d\.ts(\.map)?$/.test(f)).map((f) => [f, readFileSync(join(folder, f), 'utf8')]),
  );
}

const folder = process.argv[2];
if (folder !== undefined && import.meta.url.endsWith(process.argv[1]!.replaceAll('\\', '/').split('/').at(-1)!)) {
  const before = readDeclarations(folder);
  for (const [path, text] of new Declarations(before).written())
    if (text !== before.get(path)) writeFileSync(join(folder, path), text);
}
