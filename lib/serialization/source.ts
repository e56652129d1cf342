/** Where a codec's bytes come from: buffers and files, with and without holding the event loop. */
import * as fs from 'node:fs';
import * as zlib from 'node:zlib';
import { promisify } from 'node:util';
import { TenfoldError } from '../errors.js';
import type { Reading, Refuse, Request } from './reading.js';

/** The most that one read call is given; the system's limit is 2^31 - 1. */
const CALL_BYTES = 1 << 30;
const ENDED = 'it ended while it was being read';

/** An open file. */
export interface Opened {
  readonly file: number;
  readonly size: number;
}

/** Opens a file for reading; refuses what is none. */
export function openChecked(path: string, refuse: Refuse): Opened {
  let file: number;
  try {
    file = fs.openSync(path, fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0));
  } catch (error) {
    return refuse((error as Error).message);
  }
  const stat = fs.fstatSync(file);
  if (!stat.isFile()) {
    fs.closeSync(file);
    return refuse('it is not a file');
  }
  return { file, size: stat.size };
}

/** Runs a codec over bytes. */
export function readBytes<T>(reading: Reading<T>, bytes: Uint8Array, refuse: Refuse): T {
  return drive(reading, copyFrom(bytes), refuse);
}
const copyFrom =
  (from: Uint8Array) =>
  ({ at, bytes }: Read): void =>
    bytes.set(from.subarray(at, at + bytes.length));

/** Runs a codec over an open file. */
export function readFile<T>(reading: Reading<T>, { file }: Opened, refuse: Refuse): T {
  const read = ({ at, bytes }: Read): void => {
    for (let done = 0; done < bytes.length;) {
      const n = fs.readSync(file, bytes, done, Math.min(bytes.length - done, CALL_BYTES), at + done);
      if (n === 0) refuse(ENDED);
      done += n;
    }
  };
  return drive(reading, read, refuse);
}

/** Runs a codec over bytes without holding the event loop where it unpacks. */
export function readBytesLater<T>(reading: Reading<T>, bytes: Uint8Array, refuse: Refuse): Promise<T> {
  const copy = copyFrom(bytes);
  return driveLater(reading, (request) => Promise.resolve(copy(request)), refuse);
}

/** Runs a codec over an open file without holding the event loop. The file is closed by the caller. */
export function readFileLater<T>(reading: Reading<T>, { file }: Opened, refuse: Refuse): Promise<T> {
  const read = async ({ at, bytes }: Read): Promise<void> => {
    for (let done = 0; done < bytes.length;) {
      const length = Math.min(bytes.length - done, CALL_BYTES);
      const { bytesRead } = await readLater(file, bytes, done, length, at + done);
      if (bytesRead === 0) refuse(ENDED);
      done += bytesRead;
    }
  };
  return driveLater(reading, read, refuse);
}

type Read = Extract<Request, { kind: 'read' }>;
type Inflate = Extract<Request, { kind: 'inflate' }>;

function drive<T>(reading: Reading<T>, read: (request: Read) => void, refuse: Refuse): T {
  for (let step = reading.next(); ;) {
    if (step.done) return step.value;
    const request = step.value;
    let answer: Uint8Array;
    if (request.kind === 'read') {
      read(request);
      answer = request.bytes;
    } else {
      try {
        answer = zlib.inflateRawSync(request.data, inflation(request));
      } catch (error) {
        answer = spoilt(error, request, refuse);
      }
    }
    step = reading.next(answer);
  }
}

async function driveLater<T>(reading: Reading<T>, read: (request: Read) => Promise<void>, refuse: Refuse): Promise<T> {
  for (let step = reading.next(); ;) {
    if (step.done) return step.value;
    const request = step.value;
    let answer: Uint8Array;
    if (request.kind === 'read') {
      await read(request);
      answer = request.bytes;
    } else {
      try {
        answer = await inflateLater(request.data, inflation(request));
      } catch (error) {
        answer = spoilt(error, request, refuse);
      }
    }
    step = reading.next(answer);
  }
}

const readLater = promisify(fs.read);
const inflateLater = promisify<Uint8Array, zlib.ZlibOptions, Uint8Array>(zlib.inflateRaw);

/**
 * A chunk of the whole size, so that no chunks are put together: the content is in memory once. One byte more shows that
 * there is more than there should be. A start (-1) gives what its bytes give.
 */
function inflation({ size }: Inflate): zlib.ZlibOptions {
  if (size < 0) return { finishFlush: zlib.constants.Z_SYNC_FLUSH };
  return { chunkSize: Math.max(size + 1, 64), maxOutputLength: Math.max(size + 1, 64) };
}

function spoilt(error: unknown, { size }: Inflate, refuse: Refuse): Uint8Array {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ERR_BUFFER_TOO_LARGE')
    return refuse(`deflated content unpacks to more than the ${size} bytes it should`);
  if (code === 'ERR_OUT_OF_RANGE' || code === 'ERR_MEMORY_ALLOCATION_FAILED')
    throw new TenfoldError('memory', `out of memory: could not allocate ${size} bytes`, { cause: error });
  return refuse(`its deflated content is damaged: ${message}`);
}
