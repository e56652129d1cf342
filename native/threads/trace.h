// What the pool's threads did, for profiles: while somebody traces, each thread notes the times of its share of every
// section that it takes part in.
#pragma once
#include <cstdint>
#include <vector>

namespace tenfold {

struct Span {
  int64_t begin, end;  // nanoseconds, traceClock()'s
  int thread;          // 1 and on: the pool's; callers note nothing, for they know when their launches begin and end
};

int64_t traceClock();
// Spans are noted from now until as many calls of endTrace as of startTrace. endTrace gives those that began at `since`
// or later.
void startTrace();
std::vector<Span> endTrace(int64_t since);

}  // namespace tenfold
