/** Functions of tensors that networks are made of, as torch.nn.functional. */
export {
  celu, elu, gelu, glu, gumbelSoftmax, hardshrink, hardsigmoid, hardswish, hardtanh, leakyRelu, logSoftmax, logsigmoid,
  mish, prelu, relu, relu6, rrelu, selu, sigmoid, silu, softmax, softmin, softplus, softshrink, softsign, tanh,
  tanhshrink, threshold,
} from './activation.js'; // prettier-ignore
export { multiHeadAttentionForward, scaledDotProductAttention } from './attention.js';
export {
  crossEntropy, ctcLoss, multiMarginLoss, multilabelMarginLoss, multilabelSoftMarginLoss, nllLoss,
} from './classification.js'; // prettier-ignore
export { conv1d, conv2d, conv3d, convTranspose1d, convTranspose2d, convTranspose3d } from './conv.js';
export {
  cosineSimilarity, normalize, pairwiseDistance, pdist, tripletMarginLoss, tripletMarginWithDistanceLoss, type Distance,
  type TripletMarginOptions,
} from './distance.js'; // prettier-ignore
export { alphaDropout, dropout, dropout1d, dropout2d, dropout3d, featureAlphaDropout } from './dropout.js';
export { embedding, embeddingBag, oneHot } from './embedding.js';
export { fractionalMaxPool2d, fractionalMaxPool3d } from './fractionalPooling.js';
export { affineGrid, gridSample } from './gridSample.js';
export { bilinear, linear } from './linear.js';
export { linearCrossEntropy } from './linearCrossEntropy.js';
export {
  binaryCrossEntropy, binaryCrossEntropyWithLogits, cosineEmbeddingLoss, gaussianNllLoss, hingeEmbeddingLoss, huberLoss,
  klDiv, l1Loss, marginRankingLoss, mseLoss, poissonNllLoss, smoothL1Loss, softMarginLoss, type Reduction,
} from './loss.js'; // prettier-ignore
export { batchNorm, groupNorm, instanceNorm, layerNorm, localResponseNorm, rmsNorm } from './normalization.js';
export {
  adaptiveAvgPool1d, adaptiveAvgPool2d, adaptiveAvgPool3d, adaptiveMaxPool1d, adaptiveMaxPool2d, adaptiveMaxPool3d,
  avgPool1d, avgPool2d, avgPool3d, lpPool1d, lpPool2d, lpPool3d, maxPool1d, maxPool2d, maxPool3d, maxUnpool1d, maxUnpool2d,
  maxUnpool3d,
} from './pooling.js'; // prettier-ignore
export { interpolate, pad } from './resample.js';
export { upsample, upsampleBilinear, upsampleNearest } from './upsample.js';
export { channelShuffle, fold, pixelShuffle, pixelUnshuffle, unfold } from './vision.js';
