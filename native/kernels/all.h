// The list of kernel tables. A new table: declare it here, add it to all.cc.
#pragma once
#include <vector>

#include "kernel.h"
#include "loops/elementwise.h"

namespace tenfold {

KernelTable randomKernels(int64_t target);      // native/random
KernelTable gemmKernels(int64_t target);        // native/gemm: matmul
KernelTable unaryKernels(int64_t target);       // one input: arithmetic, rounding, exp, log, trigonometry, special
KernelTable binaryKernels(int64_t target);      // two inputs: arithmetic, powers, remainders, bits
KernelTable compareKernels(int64_t target);     // comparisons and predicates: out is bool
KernelTable ternaryKernels(int64_t target);     // three inputs: where, clamp, lerp, addcmul
KernelTable reduceKernels(int64_t target);      // sums, means, norms, variance, counts
KernelTable extremeKernels(int64_t target);     // amax, max with indices, prod, any, all, logsumexp
KernelTable scanKernels(int64_t target);        // cumsum, cummax, …
KernelTable activationKernels(int64_t target);  // relu … softplus, and their backwards
KernelTable lossKernels(int64_t target);        // losses before their mean, and their backwards
KernelTable optimizerKernels(int64_t target);   // an optimizer's whole step
KernelTable channelKernels(int64_t target);     // batch norm
KernelTable checkKernels(int64_t target);       // what a call asks of values
KernelTable rowwiseKernels(int64_t target);     // softmax, layer norm, cross entropy over rows
KernelTable attentionKernels(int64_t target);   // scaled dot product attention
KernelTable recurrentKernels(int64_t target);   // steps of RNN, LSTM and GRU
KernelTable convKernels(int64_t target);        // convolutions and their gradients
KernelTable poolKernels(int64_t target);        // pooling and its gradients
KernelTable indexKernels(int64_t target);       // gather, the scatters, masks, triangles
KernelTable sortKernels(int64_t target);        // sort, topk, median, unique, searchsorted
KernelTable linalgKernels(int64_t target);      // LU, Cholesky, and solves with them
KernelTable qrKernels(int64_t target);          // QR factorizations
KernelTable eighKernels(int64_t target);        // eigenvalues of symmetric matrices
KernelTable svdKernels(int64_t target);         // singular values and vectors
KernelTable specialKernels(int64_t target);     // Bessel functions, orthogonal polynomials, incomplete gamma functions
KernelTable distanceKernels(int64_t target);    // distances of all pairs of rows
KernelTable resampleKernels(int64_t target);    // interpolation, padding by reflection and the like, unfold and fold
KernelTable gridSampleKernels(int64_t target);  // samples of images at points

// Every kernel for one instruction set; the index is the id that a frame begins with.
std::vector<Kernel> allKernels(int64_t target);
// The same for the target that was chosen, made once: what plans and chains look kernels up in.
const std::vector<Kernel>& kernelTable();
CastTileFn castTileFor(int64_t target);  // cast.cc

}  // namespace tenfold
