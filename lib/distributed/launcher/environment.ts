/**
 * Who this process is among the ranks, by what those who start processes put into the environment: torchrun and tenfold-run, Slurm's
 * srun, Open MPI's mpirun, and MPICH's and Intel's.
 */
import { TenfoldError, show } from '../../errors.js';

/** What the environment says; null for what it doesn't. */
export interface RankEnvironment {
  rank: number | null;
  worldSize: number | null;
  localRank: number | null;
  localWorldSize: number | null;
  masterAddr: string | null;
  masterPort: number | null;
  /** The launcher has the store at masterAddr and masterPort: no rank is its server. */
  agentStore: boolean;
  /** How often the launcher has started all ranks again. */
  restartCount: number;
  /** Who set it. */
  source: 'env' | 'slurm' | 'openmpi' | 'mpich' | 'none';
}

/** Where each launcher says rank, number of ranks, and the same on this machine. */
const SOURCES = [
  ['env', 'RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'LOCAL_WORLD_SIZE'],
  ['slurm', 'SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID', 'SLURM_NTASKS_PER_NODE'],
  ['openmpi', 'OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE', 'OMPI_COMM_WORLD_LOCAL_RANK', 'OMPI_COMM_WORLD_LOCAL_SIZE'],
  ['mpich', 'PMI_RANK', 'PMI_SIZE', 'MPI_LOCALRANKID', 'MPI_LOCALNRANKS'],
] as const; // prettier-ignore

type Env = Readonly<Record<string, string | undefined>>;

/** A number of the environment, null where it isn't set. @throws TenfoldError 'value' for what is no number. */
function numberOf(env: Env, name: string): number | null {
  const text = env[name];
  if (text === undefined || text === '') return null;
  if (!/^\d{1,9}$/.test(text))
    throw new TenfoldError('value', `the environment's ${name} must be a number, got ${show(text)}`);
  return Number(text);
}

/**
 * The first host of Slurm's notation: `gpu[07-09,12],cpu1` begins with gpu07.
 */
export function firstSlurmHost(list: string): string | null {
  const match = /^([^,[]+)(?:\[(\w+)[^\]]*\]([^,]*))?/.exec(list.trim());
  return match === null ? null : match[1]! + (match[2] ?? '') + (match[3] ?? '');
}

/**
 * What the environment says about this process. Rank and number of ranks come from one source, the first that has both; MASTER_ADDR
 * and MASTER_PORT are taken where they are set, whoever started the process. Slurm's first host stands for MASTER_ADDR, and a port made
 * of the job's number for MASTER_PORT, where they aren't.
 * @throws TenfoldError 'value' for a variable that is no number, or a rank that isn't below the number of ranks.
 */
export function readEnvironment(env: Env = process.env): RankEnvironment {
  const found = SOURCES.find(([, rank, size]) => env[rank] !== undefined && env[size] !== undefined);
  const [source, rankName, sizeName, localName, localSizeName] = found ?? (['none', 'RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'LOCAL_WORLD_SIZE'] as const); // prettier-ignore
  const rank = numberOf(env, rankName);
  const worldSize = numberOf(env, sizeName);
  if (rank !== null && worldSize !== null && rank >= worldSize)
    throw new TenfoldError('value', `the environment's ${rankName} is ${rank}, but ${sizeName} is ${worldSize}`);
  const nodes = env.SLURM_STEP_NODELIST ?? env.SLURM_JOB_NODELIST;
  const slurmHost = source === 'slurm' && nodes !== undefined ? firstSlurmHost(nodes) : null;
  const job = source === 'slurm' ? numberOf(env, 'SLURM_JOB_ID') : null;
  return {
    rank,
    worldSize,
    localRank: numberOf(env, localName),
    localWorldSize: numberOf(env, localSizeName),
    masterAddr: env.MASTER_ADDR || slurmHost,
    // All tasks of a job must find the same one; ports from 49152 are the system's for outgoing connections.
    masterPort: numberOf(env, 'MASTER_PORT') ?? (job === null ? null : 20_000 + (job % 20_000)),
    agentStore: env.TORCHELASTIC_USE_AGENT_STORE === 'True',
    restartCount: numberOf(env, 'TORCHELASTIC_RESTART_COUNT') ?? 0,
    source,
  };
}
