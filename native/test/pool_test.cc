// parallelFor under stress: every element exactly once, whatever the sizes, thread counts and callers. Run it under
// ThreadSanitizer too (-DTENFOLD_SANITIZE=thread).
#include "threads/pool.h"

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "kernel.h"
#include "threads/processors.h"

using namespace tenfold;

#if defined(__SANITIZE_THREAD__)
constexpr int kRounds = 40'000;
#else
constexpr int kRounds = 400'000;
#endif

namespace {

// Counts visits of each element; bad() tells how many were not visited exactly once.
struct Visits {
  explicit Visits(int64_t n) : seen(static_cast<size_t>(n)) {}
  void operator()(int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) ++seen[static_cast<size_t>(i)];  // not atomic: TSan sees an overlap
  }
  int bad() const {
    int n = 0;
    for (const int count : seen) n += count != 1;
    return n;
  }
  std::vector<int> seen;
};

int visitAll(int64_t n, int64_t grain, int64_t align) {
  Visits visits(n);
  parallelFor(
      n, grain, [&](int64_t b, int64_t e) { visits(b, e); }, align);
  return visits.bad();
}

// Sets the number of threads for a test, makes the pool use them even where the machine has fewer cores, and puts both
// back.
struct Threads {
  explicit Threads(int n) : before(numThreads()) {
    setNumThreads(n);
    setPoolEager(true);
  }
  ~Threads() {
    setNumThreads(before);
    setPoolEager(false);
  }
  int before;
};

}  // namespace

TEST(pool_every_element_once) {
  int bad = 0;
  for (const int threads : {1, 2, 3, 8}) {
    const Threads scope(threads);
    uint32_t random = 1;
    for (int round = 0; round < kRounds / 4; ++round) {
      random = random * 1664525 + 1013904223;
      bad += visitAll(random >> 8 & 255, 1 + (random >> 16 & 7), 1 + (random >> 20 & 3)) != 0;
    }
  }
  CHECK(bad == 0, "%d sections were wrong", bad);
  for (const int64_t n : {-1, 0, 1, 63, 64, 65, 1000, 100'003}) {
    CHECK(n < 0 || visitAll(n, 1, 64) == 0, "n = %d", static_cast<int>(n));
  }
}

TEST(pool_uses_several_threads) {
  const Threads scope(3);
  const auto self = std::this_thread::get_id();
  std::atomic<int> elsewhere{0};
  // A worker may get its core late where others want it too, so this asks for as long as it takes, within reason.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  while (elsewhere == 0 && std::chrono::steady_clock::now() < deadline) {
    parallelFor(
        48, 1, [&](int64_t, int64_t) { elsewhere += std::this_thread::get_id() != self; }, 1);
    std::this_thread::yield();
  }
  CHECK(elsewhere > 0, "the other tests of this file would test nothing");
}

TEST(pool_cuts_fall_on_multiples_of_align_and_respect_grain) {
  const Threads scope(3);
  std::atomic<int> wrong{0}, pieces{0};
  parallelFor(
      10'007, 100,
      [&](int64_t b, int64_t e) {
        ++pieces;
        if (b % 32 || (e % 32 && e != 10'007) || e - b < 64) ++wrong;
      },
      32);
  CHECK(wrong == 0);
  CHECK(pieces >= 1 && pieces <= 48);
}

TEST(pool_huge_range_does_not_overflow) {
  const Threads scope(2);
  const int64_t n = int64_t{1} << 60;
  std::atomic<int64_t> sum{0};
  parallelFor(n, 1, [&](int64_t b, int64_t e) { sum += e - b; });
  CHECK(sum == n);
}

TEST(pool_several_callers_at_once) {
  const Threads scope(3);
  std::atomic<int> bad{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&bad, c] {
      for (int round = 0; round < kRounds / 8; ++round) bad += visitAll(8 + (round * 7 + c) % 97, 1, 1) != 0;
    });
  }
  for (int round = 0; round < kRounds / 8; ++round) setNumThreads(1 + round % 5);
  for (std::thread& t : callers) t.join();
  CHECK(bad == 0, "%d sections were wrong", bad.load());
}

TEST(pool_nested_sections_run_inline) {
  const Threads scope(4);
  std::atomic<int> bad{0};
  for (int round = 0; round < kRounds / 100; ++round) {
    parallelFor(
        16, 1,
        [&](int64_t b, int64_t e) {
          for (int64_t i = b; i < e; ++i) {
            const auto self = std::this_thread::get_id();
            parallelFor(
                64, 1, [&](int64_t, int64_t) { bad += std::this_thread::get_id() != self; }, 1);
            bad += visitAll(50, 1, 1) != 0;
          }
        },
        1);
  }
  CHECK(bad == 0);
}

TEST(pool_carries_the_error_of_the_lowest_piece) {
  const Threads scope(4);
  for (int round = 0; round < kRounds / 40; ++round) {
    std::atomic<int> ran{0};
    std::string caught;
    try {
      parallelFor(
          64, 1,
          [&](int64_t b, int64_t e) {
            ran += static_cast<int>(e - b);
            if (b <= 20 && 20 < e) throw KernelError("RangeError", "at 20");
            if (b <= 40 && 40 < e) throw KernelError("RangeError", "at 40");
          },
          1);
    } catch (const KernelError& e) {
      caught = e.what();
    }
    CHECK(caught == "at 20", "got '%s'", caught.c_str());
    CHECK(ran == 64 || ran == 21 || ran == 41, "ran %d", ran.load());
    CHECK(visitAll(100, 1, 1) == 0);  // and the next section is sound
  }
}

TEST(pool_rejects_bad_thread_counts) {
  const int before = numThreads();
  CHECK(before >= 1 && availableCores() >= 1);
  for (const int n : {0, -1, 257}) {
    std::string caught;
    try {
      setNumThreads(n);
    } catch (const KernelError& e) {
      caught = e.what();
    }
    CHECK(caught == "setNumThreads: expected an integer from 1 to 256, got " + std::to_string(n));
  }
  CHECK(numThreads() == before);
}

TEST(pool_wakes_from_sleep) {
  const Threads scope(3);
  for (int round = 0; round < 50; ++round) {
    std::this_thread::sleep_for(std::chrono::microseconds(300));
    CHECK(visitAll(1000, 10, 1) == 0);
  }
}
