/**
 * Tensors from one rank to another. Messages of a pair of ranks with the same tag arrive in order; collectives and other messages
 * don't wait for them. Both sides give tensors of the same shape and dtype.
 * (https://docs.pytorch.org/docs/stable/distributed.html#point-to-point-communication)
 */
import { TenfoldError, show } from '../errors.js';
import { signature, type Arguments } from '../op/schema.js';
import type { Tensor } from '../tensor/tensor.js';
import { checkTimeout, groupHere, lending, rootOf, type Group, type GroupLike } from './groups.js';
import type { Work } from './types.js';
import type { GroupWork } from './work.js';

interface Message {
  group: Group;
  /** -1: from anybody. */
  rank: number;
  tag: number;
  timeout: number | null;
}

function checkMessage(call: string, { group, rank, tag }: Message): void {
  if (rank === group.rank()) throw new RangeError(`${call}: a rank can't exchange messages with itself`);
  if (!(tag >= 0 && tag < 2 ** 31)) throw new RangeError(`${call}: tag must be from 0 to ${2 ** 31 - 1}, got ${tag}`);
  if (group.size() === 1) throw new TenfoldError('distributed', `${call}: there is no other rank in this group`);
}

function begin(call: string, sends: boolean, tensor: Tensor, message: Message): GroupWork {
  checkMessage(call, message);
  const { group, rank, tag, timeout } = message;
  const time = timeout === null ? group.timeout : checkTimeout(call, timeout);
  return lending(call, (loan) => {
    const memory = sends ? loan.input(tensor) : loan.output(tensor, false);
    const what = `${tensor.dtype} [${tensor.shape.join(', ')}]`;
    return group.message({ sends, name: call, rank, tag, timeout: time, memory }, what, loan);
  });
}

const isendCall = signature(
  'isend(Tensor tensor, int? dst=null, any group=null, int tag=0, int? groupDst=null, float? timeout=null)',
);
/** Begins to send `tensor` to rank `dst`; it may not be changed until the work is done. */
export function isend(...args: Arguments<typeof isendCall.schema>): Work | null {
  return sending('isend', args);
}
function sending(call: string, args: Arguments<typeof isendCall.schema>): GroupWork | null {
  const [tensor, dst, given, tag, groupDst, timeout] = isendCall.read(args, call);
  const group = groupHere(call, given);
  if (group === null) return null;
  const rank = rootOf(call, ['dst', 'groupDst'], group, dst, groupDst);
  return begin(call, true, tensor, { group, rank, tag, timeout });
}

const irecvCall = signature(
  'irecv(Tensor tensor, int? src=null, any group=null, int tag=0, int? groupSrc=null, float? timeout=null)',
);
/** Begins to receive into `tensor` from rank `src`, or from anybody (the work's sourceRank() tells then from whom). */
export function irecv(...args: Arguments<typeof irecvCall.schema>): Work | null {
  return receiving('irecv', args);
}
function receiving(call: string, args: Arguments<typeof irecvCall.schema>): GroupWork | null {
  const [tensor, src, given, tag, groupSrc, timeout] = irecvCall.read(args, call);
  const group = groupHere(call, given);
  if (group === null) return null;
  const anybody = src === null && groupSrc === null;
  const rank = anybody ? -1 : rootOf(call, ['src', 'groupSrc'], group, src, groupSrc);
  return begin(call, false, tensor, { group, rank, tag, timeout });
}

/** Sends `tensor` to rank `dst`; returns when it is on its way, and may be changed again. */
export function send(...args: Arguments<typeof isendCall.schema>): void {
  sending('send', args)?.wait();
}

/** Receives into `tensor` from rank `src`, or from anybody; returns the global rank that it came from (-1 outside the group). */
export function recv(...args: Arguments<typeof irecvCall.schema>): number {
  const work = receiving('recv', args);
  if (work === null) return -1;
  work.wait();
  return work.sourceRank();
}

/** One message for batchIsendIrecv: `op` is isend or irecv. */
export class P2POp {
  constructor(
    readonly op: typeof isend | typeof irecv,
    readonly tensor: Tensor,
    readonly peer: number | null = null,
    readonly group: GroupLike | null = null,
    readonly tag = 0,
    readonly groupPeer: number | null = null,
  ) {
    if (op !== isend && op !== irecv) throw new TypeError(`P2POp: op must be isend or irecv, got ${show(op)}`);
  }
}

/** Begins several messages; their works, in order. */
export function batchIsendIrecv(p2pOpList: readonly P2POp[]): Work[] {
  if (!Array.isArray(p2pOpList) || p2pOpList.length === 0 || !p2pOpList.every((one) => one instanceof P2POp))
    throw new TypeError(`batchIsendIrecv: expected a list of P2POp, got ${show(p2pOpList)}`);
  return p2pOpList.flatMap(
    ({ op, tensor, peer, group, tag, groupPeer }) => op(tensor, peer, group, tag, groupPeer) ?? [],
  );
}
