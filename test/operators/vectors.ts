/** Singular vectors as PyTorch has them: they are unique only up to their signs, and some not even that. */
import * as tf from '../../lib/index.js';
import type { Tensor } from '../../lib/index.js';
import { decodeTensor, type CodedTensor, type Sample } from './format.js';

/**
 * A result with singular vectors, differentiably turned to what is recorded: each pair has the recorded signs, and those
 * that no value belongs to are replaced by the recorded ones where they span the same space. Other results stay.
 */
export function aligned(result: unknown, sample: Sample): unknown {
  if (sample.fields?.[1] === 'eigenvectors') return alignedEigenvectors(result, sample);
  const last = sample.fields?.[2];
  if (last !== 'V' && last !== 'Vh') return result;
  const { U, S, [last]: V } = result as Record<string, Tensor>;
  const [wantedU, , wantedV] = (sample.out as CodedTensor[]).map((c) => decodeTensor(c, false)) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  const turned = (x: Tensor): Tensor => (last === 'Vh' ? x.mT : x);
  const k = S!.shape.at(-1)!;
  const columns = [turned(V!), turned(wantedV)].map((x) => x.narrow(-1, 0, k)) as [Tensor, Tensor];
  // Where no vectors were asked for they are zeros, of which none belongs to a value.
  const found = columns[0].detach().ne(0).any().item<boolean>();
  const signs = found
    ? columns[0].mul(columns[1]).sum(-2, true).sign().detach()
    : tf.onesLike(S!).unsqueeze(-2).detach();
  const like = (x: Tensor, wanted: Tensor): Tensor => {
    const rest = x.shape.at(-1)! - k;
    const [own, others] = [x.narrow(-1, 0, k), x.narrow(-1, k, rest)];
    const turn = others.detach().mT.matmul(wanted.narrow(-1, k, rest));
    return tf.cat([own.mul(signs), others.matmul(turn)], -1);
  };
  const parts = [like(U!, wantedU), S!, turned(like(turned(V!), turned(wantedV)))];
  return Object.assign(parts, { U: parts[0], S: parts[1], [last]: parts[2] });
}

/** Eigenvectors with the recorded signs. */
function alignedEigenvectors(result: unknown, sample: Sample): Tensor[] {
  const { eigenvalues, eigenvectors } = result as Record<string, Tensor>;
  const wanted = decodeTensor((sample.out as CodedTensor[])[1]!, false);
  const signs = eigenvectors!.mul(wanted).sum(-2, true).sign().detach();
  const turned = eigenvectors!.mul(signs);
  return Object.assign([eigenvalues!, turned], { eigenvalues, eigenvectors: turned });
}
