import { describe, expect, it } from 'vitest';
import { firstSlurmHost, readEnvironment } from '../../lib/distributed/launcher/environment.js';

const NOTHING = {
  rank: null,
  worldSize: null,
  localRank: null,
  localWorldSize: null,
  masterAddr: null,
  masterPort: null,
  agentStore: false,
  restartCount: 0,
  source: 'none',
};

describe('readEnvironment', () => {
  it('reads what launchers set', () => {
    expect(readEnvironment({})).toEqual(NOTHING);
    const torchrun = {
      RANK: '3',
      WORLD_SIZE: '4',
      LOCAL_RANK: '1',
      LOCAL_WORLD_SIZE: '2',
      MASTER_ADDR: 'node0',
      MASTER_PORT: '29500',
      TORCHELASTIC_USE_AGENT_STORE: 'True',
      TORCHELASTIC_RESTART_COUNT: '2',
    };
    const expected = { rank: 3, worldSize: 4, localRank: 1, localWorldSize: 2, masterAddr: 'node0', masterPort: 29500 };
    expect(readEnvironment(torchrun)).toEqual({ ...expected, agentStore: true, restartCount: 2, source: 'env' });
    const mpirun = {
      OMPI_COMM_WORLD_RANK: '0',
      OMPI_COMM_WORLD_SIZE: '2',
      OMPI_COMM_WORLD_LOCAL_RANK: '0',
      OMPI_COMM_WORLD_LOCAL_SIZE: '2',
    };
    expect(readEnvironment(mpirun)).toEqual({ ...NOTHING, rank: 0, worldSize: 2, localRank: 0, localWorldSize: 2, source: 'openmpi' }); // prettier-ignore
    expect(readEnvironment({ PMI_RANK: '1', PMI_SIZE: '2', MASTER_ADDR: 'h' })).toEqual({ ...NOTHING, rank: 1, worldSize: 2, masterAddr: 'h', source: 'mpich' }); // prettier-ignore
    const slurm = {
      SLURM_PROCID: '5',
      SLURM_NTASKS: '8',
      SLURM_LOCALID: '1',
      SLURM_JOB_ID: '123456',
      SLURM_STEP_NODELIST: 'gpu[07-09,12]',
    };
    expect(readEnvironment(slurm)).toEqual({ ...NOTHING, rank: 5, worldSize: 8, localRank: 1, masterAddr: 'gpu07', masterPort: 23456, source: 'slurm' }); // prettier-ignore
    // torchrun inside a Slurm job: what it says counts.
    expect(readEnvironment({ ...slurm, ...torchrun })).toMatchObject({ rank: 3, masterAddr: 'node0', source: 'env' });
  });
  it('refuses what is no rank', () => {
    expect(() => readEnvironment({ RANK: 'one', WORLD_SIZE: '2' })).toThrow("RANK must be a number, got 'one'");
    expect(() => readEnvironment({ RANK: '2', WORLD_SIZE: '2' })).toThrow('RANK is 2, but WORLD_SIZE is 2');
  });
  it('reads Slurm’s lists of hosts', () => {
    expect(['a', 'a,b', 'n[3,5-6]', 'n[03-09]-ib,x', 'a-b.c,d'].map(firstSlurmHost)).toEqual(['a', 'a', 'n3', 'n03-ib', 'a-b.c']); // prettier-ignore
  });
});
