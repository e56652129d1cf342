// The pool, plans and the threads that run them, all at once, for ThreadSanitizer (`npm test -- threads`). It is a
// program of its own with a table of few kernels: the whole library would take minutes to compile.
#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "check.h"
#include "kernels/all.h"
#include "loops/elementwise.h"
#include "plan/chain.h"
#include "plan/plan.h"
#include "plan/runner.h"
#include "simd/cpu.h"
#include "threads/pool.h"
#include "threads/trace.h"

using namespace tenfold;

namespace tenfold {
// Stands in for kernels/all.cc.
const std::vector<Kernel>& kernelTable() {
  static const std::vector<Kernel> table = [] {
    std::vector<Kernel> all = {{"chain", DType::f32, runChain, kChainFrame}};
    const KernelTable binary = binaryKernels(chosenTarget());
    all.insert(all.end(), binary.kernels, binary.kernels + binary.count);
    return all;
  }();
  return table;
}
}  // namespace tenfold

namespace {

constexpr int64_t kElements = 1 << 16;
constexpr int kCallers = 4, kRounds = 60;

double idOf(const char* name) {
  const std::vector<Kernel>& table = kernelTable();
  for (size_t i = 0; i < table.size(); ++i) {
    if (table[i].dtype == DType::f32 && !std::strcmp(table[i].name, name)) return static_cast<double>(i);
  }
  CHECK(false, "no kernel %s", name);
  return 0;
}
double addressOf(const void* p) { return static_cast<double>(reinterpret_cast<uintptr_t>(p)); }

// Frames of: middle = x + y; out = middle * x + y as a chain. Callers share x and y.
struct Program {
  std::vector<float> middle = std::vector<float>(kElements), out = std::vector<float>(kElements);
  std::vector<double> frames;
  std::vector<int64_t> starts;
  Program(const std::vector<float>& x, const std::vector<float>& y) {
    std::vector<double> add(kFrameLength, 0);
    add[0] = idOf("add");
    add[frameAt::numel] = kElements;
    add[frameAt::operands] = 3;
    const void* memory[] = {middle.data(), x.data(), y.data()};
    for (int k = 0; k < 3; ++k) {
      add[static_cast<size_t>(frameAt::operand + 3 * k)] = addressOf(memory[k]);
      add[static_cast<size_t>(frameAt::operand + 3 * k + 1)] = static_cast<double>(DType::f32);
    }
    add[frameAt::params] = 1;  // alpha
    append(add);
    std::vector<double> chain = {idOf("chain"), 1, kElements, 4, 2, 1};
    const auto operand = [&](const void* at, int mode) {
      const double row[] = {addressOf(at), static_cast<double>(DType::f32), kElements, 1, static_cast<double>(mode)};
      chain.insert(chain.end(), row, row + chainAt::operandLength);
    };
    operand(middle.data(), kChainReads), operand(x.data(), kChainReads);
    operand(y.data(), kChainReads), operand(out.data(), kChainWrites);
    const auto step = [&](const char* name, double result, double a, double b) {
      double row[chainAt::stepLength] = {idOf(name), result, 2, a, b};
      row[chainAt::stepParams] = 1;
      chain.insert(chain.end(), row, row + chainAt::stepLength);
    };
    step("mul", 0, -1, -2), step("add", -4, 0, -3);
    append(chain);
  }
  void append(const std::vector<double>& frame) {
    starts.push_back(static_cast<int64_t>(frames.size()));
    frames.insert(frames.end(), frame.begin(), frame.end());
  }
  int wrong(const std::vector<float>& x, const std::vector<float>& y) const {
    int n = 0;
    for (size_t i = 0; i < out.size(); ++i) n += out[i] != (x[i] + y[i]) * x[i] + y[i];
    return n;
  }
};

struct Inputs {
  std::vector<float> x = std::vector<float>(kElements), y = std::vector<float>(kElements);
  Inputs() {
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 97), y[i] = static_cast<float>(i % 89);
  }
};

}  // namespace

TEST(plans_of_several_callers) {
  setNumThreads(3);
  setPoolEager(true);
  const Inputs in;
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < kCallers; ++c) {
    callers.emplace_back([&] {
      Program program(in.x, in.y);
      Plan plan(program.frames.data(), program.starts);
      for (int round = 0; round < kRounds; ++round) {
        std::fill(program.out.begin(), program.out.end(), -1.0f);
        plan.run(0, plan.size());
        wrong += program.wrong(in.x, in.y);
      }
    });
  }
  for (std::thread& t : callers) t.join();
  CHECK(wrong == 0, "%d elements", wrong.load());
}

TEST(runner_with_calls_that_are_given_up) {
  setNumThreads(2);
  const Inputs in;
  std::atomic<int> ran{0}, wrong{0};
  std::vector<int64_t> cancelled(kRounds, 0);  // as JavaScript's numbers: any bit that is set means yes
  {
    Runner runner;
    for (int job = 0; job < kRounds; ++job) {
      const auto* flag = reinterpret_cast<const double*>(&cancelled[static_cast<size_t>(job)]);
      runner.submit(
          [&, flag] {
            Program program(in.x, in.y);
            Plan plan(program.frames.data(), program.starts);
            plan.run(0, plan.size(), flag);
            if (__atomic_load_n(reinterpret_cast<const int64_t*>(flag), __ATOMIC_RELAXED) == 0)
              wrong += program.wrong(in.x, in.y);
            ++ran;
          },
          3);
      if (job % 5 == 4) __atomic_store_n(&cancelled[static_cast<size_t>(job)], int64_t{0x3ff0} << 48, __ATOMIC_RELAXED);
    }
    while (ran < kRounds) std::this_thread::yield();
  }
  CHECK(ran == kRounds && wrong == 0, "%d ran, %d elements", ran.load(), wrong.load());
}

TEST(runner_stops_with_work_waiting) {
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> ran{0};
    Runner runner;
    for (int job = 0; job < 30; ++job) runner.submit([&] { ++ran; }, 2);
    runner.stop();
    runner.submit([&] { ran += 1000; }, 2);
    CHECK(ran <= 30, "%d ran", ran.load());
  }
}

TEST(tracing_and_thread_counts_change_meanwhile) {
  setPoolEager(true);
  std::atomic<bool> done{false};
  std::thread other([&] {
    while (!done) {
      const int64_t since = traceClock();
      startTrace();
      setNumThreads(1 + static_cast<int>(since % 4));
      std::this_thread::yield();
      for (const Span& s : endTrace(since)) CHECK(s.begin <= s.end && s.thread > 0);
    }
  });
  std::vector<float> out(kElements);
  for (int round = 0; round < 20 * kRounds; ++round) {
    parallelFor(kElements, 4096, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) out[static_cast<size_t>(i)] = static_cast<float>(round);
    });
    CHECK(out[0] == static_cast<float>(round) && out[kElements - 1] == static_cast<float>(round));
  }
  done = true;
  other.join();
  setNumThreads(3);
}
