// The collectives, by Gloo; each runs on its group's thread and blocks it until this rank's part is done.
#pragma once
#include <gloo/context.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "distributed/reduce.h"
#include "dtype.h"

namespace tenfold::distributed {

// lib/distributed names them by these words.
#define TENFOLD_COLLECTIVES(X) \
  X(allReduce)                 \
  X(broadcast)                 \
  X(reduce)                    \
  X(allGather)                 \
  X(gather)                    \
  X(scatter)                   \
  X(reduceScatter)             \
  X(allToAll)                  \
  X(barrier)                   \
  X(monitoredBarrier)
enum class Op : int { TENFOLD_COLLECTIVES(TENFOLD_ENUMERATOR) };

struct Span {
  char* data;
  size_t bytes;
};

// One rank's call of a collective.
struct Call {
  Op op;
  std::string name;  // as users know it
  DType dtype;
  Reduce reduce;
  bool average;     // a sum is divided by the number of ranks
  bool waitForAll;  // monitoredBarrier names all ranks that are missing, not the first
  int root;
  std::chrono::milliseconds timeout;
  // What the ranks must agree on, in words; empty where they aren't asked.
  std::string agreement;
  // allReduce, broadcast, reduce: outputs[0], in place. allGather, gather, reduceScatter, allToAll: inputs[0] to
  // outputs[0]. scatter: one input for each rank, at the root.
  std::vector<Span> inputs, outputs;
  // Elements to and from each rank: allToAll.
  std::vector<int64_t> sent, received;
  uint32_t tag = 0;
};

void run(const std::shared_ptr<gloo::Context>& context, Call& call);

}  // namespace tenfold::distributed
