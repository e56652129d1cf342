// The pool behind parallelFor. How it works, and what it was measured against, is in docs/architecture.md, "Threads".
#include "threads/pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "kernel.h"
#include "threads/processors.h"
#include "threads/trace.h"

#if defined(_WIN32)
#include <windows.h>
#else
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#endif
#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace tenfold {
namespace {

constexpr int kMaxThreads = 256;
constexpr int64_t kMaxPiecesEach = 16;     // more pieces even out the end of a section; a claim costs 20 ns
constexpr int64_t kSpinNs = 50'000;        // a sleeping worker arrives 10 to 30 us late, a spinning one 0.1
constexpr int64_t kPreemptedNs = 100'000;  // a spinning worker sees the clock jump by this: something took its core
constexpr int64_t kWakeWorthNs = 60'000;   // work left from which a sleeper is worth waking: it takes 1 to 10 us …
constexpr int64_t kDenseNs = 100'000;      // … or so much work in sections that fill a third of the time
constexpr int64_t kDensestNs = 1'000'000;
// The account of what threads gain and lose; see settle().
constexpr int64_t kCreditNs = 500'000, kPatienceNs = 100'000;
constexpr int64_t kRestPerLoss = 10, kLongestRestNs = 100'000'000;
constexpr int64_t kDistrustNs = 20'000'000;

int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void relax() {
#if defined(__x86_64__) || defined(_M_X64)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("isb" ::: "memory");  // "yield" takes no time at all on most cores
#endif
}

// ---- tracing ----
struct Trace {
  std::atomic<int> users{0};
  std::mutex mutex;
  std::vector<Span> spans;
  static Trace& get() {
    static Trace* const trace = new Trace;  // leaked, as the pool is
    return *trace;
  }
  void note(const Span& span) {
    const std::lock_guard<std::mutex> lock(mutex);
    if (users.load(std::memory_order_relaxed) > 0) spans.push_back(span);
  }
};

// ---- sleeping ----
#if defined(__linux__)
void sleepWhile(std::atomic<uint32_t>& word, uint32_t value) {
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}
void wakeOne(std::atomic<uint32_t>& word) { syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0); }
#else
void sleepWhile(std::atomic<uint32_t>& word, uint32_t value) { word.wait(value); }
void wakeOne(std::atomic<uint32_t>& word) { word.notify_one(); }
#endif

// A worker sleeps inside this library's code for good, so the library must stay loaded: Node unloads an addon when the
// last worker_thread that required it ends.
void pinLibrary() {
#if defined(_WIN32)
  HMODULE self;
  GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN,
                     reinterpret_cast<LPCWSTR>(&pinLibrary), &self);
#else
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(&pinLibrary), &info) && info.dli_fname) {
    dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
  }
#endif
}

class Pool {
 public:
  // Leaked: a worker may be asleep or at work when the process exits, and Node runs static destructors then.
  static Pool& get() {
    static Pool* const pool = new Pool;
    return *pool;
  }

  int threads() {
    int n = threads_.load(std::memory_order_relaxed);
    if (n == 0) {
      n = initialThreads();
      int none = 0;
      if (!threads_.compare_exchange_strong(none, n)) n = none;
    }
    return n;
  }
  void setThreads(int n) { threads_.store(n); }
  void setEager(bool eager) { eager_.store(eager); }

  // False where the section must run on the calling thread alone: another one runs, or the cores are not ours to use.
  bool run(int64_t n, int64_t pieces, int64_t align, RangeFn fn, void* context) {
    if (busy_.load(std::memory_order_relaxed) || busy_.exchange(true, std::memory_order_acquire)) return false;
    const int64_t begin = now();
    int parties = begin < restUntil_ && !eager_.load(std::memory_order_relaxed)
                      ? 1
                      : static_cast<int>(std::min<int64_t>(threads(), pieces));
    if (parties > started_ + 1) parties = startWorkers(parties);
    if (parties < 2) {
      busy_.store(false, std::memory_order_release);
      return false;
    }
    const auto each = static_cast<uint32_t>(std::min(pieces / parties, kMaxPiecesEach));
    fn_.store(fn, std::memory_order_relaxed);
    context_.store(context, std::memory_order_relaxed);
    n_.store(n, std::memory_order_relaxed);
    align_.store(align, std::memory_order_relaxed);
    parties_.store(parties, std::memory_order_relaxed);
    done_.store(0, std::memory_order_relaxed);
    const uint32_t generation = generation_.load(std::memory_order_relaxed) + 1;
    for (int t = 0; t < parties; ++t) {
      slots_[t].range.store(uint64_t{generation} << 32 | uint64_t{each} << 16, std::memory_order_release);
    }
    generation_.store(generation, std::memory_order_seq_cst);

    dense_ = std::max<int64_t>(0, dense_ - (begin - lastEnd_) / 2);
    Wake wake(*this, begin, parties, each);
    const uint32_t mine = work(generation, 0, [&wake](uint32_t ran) { wake.after(ran); });
    join(wake, mine);

    std::exception_ptr error;
    if (failed_.load(std::memory_order_acquire)) {
      error = error_;
      error_ = nullptr;
      failed_.store(false, std::memory_order_relaxed);
    }
    busy_.store(false, std::memory_order_release);
    if (error) std::rethrow_exception(error);
    return true;
  }

 private:
  struct alignas(64) Slot {
    // generation << 32 | pieces of this range << 16 | next piece. All three in one word: a late worker's claim fails,
    // or finds no piece left, whatever run() has stored for the next section meanwhile. (With the count outside, it
    // claimed a piece that did not exist, once in 300,000 sections.)
    std::atomic<uint64_t> range{0};
    alignas(64) std::atomic<uint32_t> asleep{0};  // on its own line: looked at by one other thread only
  };

  Slot slots_[kMaxThreads];
  alignas(64) std::atomic<uint32_t> generation_{0};  // what idle workers watch
  alignas(64) std::atomic<uint32_t> done_{0};
  // The section. Written before generation_, and read by a worker only between its look at a range and its claim: a
  // claim that succeeds proves that the section has not ended.
  alignas(64) std::atomic<RangeFn> fn_{nullptr};
  std::atomic<void*> context_{nullptr};
  std::atomic<int64_t> n_{0}, align_{1};
  std::atomic<int> parties_{0};
  // Who may start a section; the fields below it belong to the holder.
  alignas(64) std::atomic<bool> busy_{false};
  int started_ = 0;
  int64_t balance_ = 0;  // nanoseconds lost to threads, less those won
  int64_t restUntil_ = 0;
  int64_t dense_ = 0;  // time in sections, less half of the time between them: see Wake
  int64_t lastEnd_ = 0;
  alignas(64) std::atomic<int64_t> trustAt_{0};  // workers don't spin before this time
  std::atomic<bool> contended_{false};           // a spinning worker lost its core
  std::atomic<int> threads_{0};
  std::atomic<bool> eager_{false};
  std::atomic<bool> failed_{false};
  std::mutex errorMutex_;
  std::exception_ptr error_;
  uint32_t errorPiece_ = 0;

  // Decides, for one section, when sleeping workers are worth waking: they arrive 10 to 30 us later, and a wake costs
  // the caller 1 to 30. At once where sections fill a third of the time and more, so that a worker that has fallen
  // asleep in a pause (a collection of garbage takes longer than it spins) is soon back; else when it is seen that much
  // of this section is left. Spinning workers need no waking.
  struct Wake {
    Wake(Pool& pool_, int64_t begin_, int parties_, uint32_t each)
        : pool(pool_), begin(begin_), parties(parties_), total(each * static_cast<uint32_t>(parties_)) {
      if (!pool.childAsleep(0, parties)) return;
      waiting = true;
      if (pool.eager_.load(std::memory_order_relaxed) || pool.dense_ > kDenseNs) wake(begin);
    }
    void after(uint32_t ran) {
      if (!waiting || ran == total) return;
      const int64_t time = now(), left = (time - begin) / ran * (total - ran);
      if (left > kWakeWorthNs) wake(time);
    }
    void wake(int64_t time) {
      waiting = false;
      pool.wakeChildren(0, parties);
      spent = now() - time;
    }
    Pool& pool;
    const int64_t begin;
    const int parties;
    const uint32_t total;
    bool waiting = false;
    int64_t spent = 0;
  };

  static int initialThreads() {
    const char* asked = std::getenv("TENFOLD_NUM_THREADS");
    if (!asked || !*asked) return std::min(availableCores(), kMaxThreads);
    char* end = nullptr;
    const long n = std::strtol(asked, &end, 10);
    if (*end || n < 1 || n > kMaxThreads) {
      throw KernelError("RangeError",
                        "TENFOLD_NUM_THREADS must be an integer from 1 to 256, got '" + std::string(asked) + "'");
    }
    return static_cast<int>(n);
  }

  // Starts what is missing of parties - 1 workers; returns how many threads there are then, the caller included.
  int startWorkers(int parties) {
    if (started_ == 0) pinLibrary();
#if !defined(_WIN32)
    sigset_t all, before;  // signals are the host program's: none may be delivered to a worker
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
#endif
    try {
      while (started_ + 1 < parties) {
        const int me = started_ + 1;
        std::thread([this, me, seen = generation_.load()] { live(me, seen); }).detach();
        started_ = me;
      }
    } catch (const std::system_error&) {
      // The limit of threads is reached (ulimit -u, pids.max): go on with those that there are.
    }
#if !defined(_WIN32)
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
#endif
    return started_ + 1;
  }

  // Claims and runs pieces of this generation, thread `me`'s own first, and calls after(pieces run). Returns how many.
  template <class After>
  uint32_t work(uint32_t generation, int me, const After& after) {
    uint32_t ran = 0;
    const int parties = std::max(parties_.load(std::memory_order_relaxed), 1);
    for (int k = 0; k < parties; ++k) {
      const int owner = (me + k) % parties;
      for (;;) {
        uint64_t word = slots_[owner].range.load(std::memory_order_acquire);
        const uint32_t each = static_cast<uint32_t>(word >> 16) & 0xffff, next = static_cast<uint32_t>(word) & 0xffff;
        if (static_cast<uint32_t>(word >> 32) != generation || next >= each) break;
        const RangeFn fn = fn_.load(std::memory_order_relaxed);
        void* const context = context_.load(std::memory_order_relaxed);
        const int64_t n = n_.load(std::memory_order_relaxed), align = align_.load(std::memory_order_relaxed);
        const int64_t pieces = int64_t{each} * parties_.load(std::memory_order_relaxed);
        if (!slots_[owner].range.compare_exchange_weak(word, word + 1, std::memory_order_acq_rel)) continue;
        // Every other section runs backward: the pieces that a thread ran last are still in its cache.
        const uint32_t place = generation & 1 ? each - 1 - next : next;
        runPiece(fn, context, n, align, int64_t{owner} * each + place, pieces);
        after(++ran);
      }
    }
    if (ran) done_.fetch_add(ran, std::memory_order_release);
    return ran;
  }

  void runPiece(RangeFn fn, void* context, int64_t n, int64_t align, int64_t piece, int64_t pieces) {
    const int64_t units = (n + align - 1) / align;
    const auto cut = [=](int64_t i) {  // units * i / pieces, without overflow for any n
      return std::min(n, (units / pieces * i + units % pieces * i / pieces) * align);
    };
    const int64_t begin = cut(piece), end = cut(piece + 1);
    if (begin == end) return;
    try {
      fn(context, begin, end);
    } catch (...) {
      const std::lock_guard<std::mutex> lock(errorMutex_);
      const auto number = static_cast<uint32_t>(piece);
      if (!failed_.load(std::memory_order_relaxed) || number < errorPiece_) {
        error_ = std::current_exception();
        errorPiece_ = number;
      }
      failed_.store(true, std::memory_order_release);
    }
  }

  // Waits for the pieces that workers have begun.
  void join(const Wake& wake, uint32_t mine) {
    const auto finished = [&] { return done_.load(std::memory_order_acquire) == wake.total; };
    const int64_t waiting = now();
    for (int turns = 1; !finished(); ++turns) {
      relax();
      if (turns > 256 && (turns & 127) == 0) std::this_thread::yield();
    }
    const int64_t end = mine == wake.total ? waiting : now();
    dense_ = std::min(kDensestNs, dense_ + end - wake.begin);
    lastEnd_ = end;
    if (mine) settle(end - wake.begin, (waiting - wake.begin - wake.spent) / mine * wake.total, end);
    if (contended_.load(std::memory_order_relaxed)) {
      contended_.store(false, std::memory_order_relaxed);
      trustAt_.store(end + kDistrustNs, std::memory_order_relaxed);
    }
  }

  // Another process may want these cores: a worker that loses its core in the middle of a piece holds up the section
  // for a time slice of the system (1 to 5 ms), and a wake may put the worker on the caller's own core. So it is
  // counted what sections took against what the caller alone would have taken, by the pieces that it ran; where that
  // adds up to a loss, sections run on the caller alone for ten times as long. Threads can't cost more than a tenth
  // that way.
  void settle(int64_t took, int64_t alone, int64_t time) {
    balance_ = std::max(balance_ + took - alone, -kCreditNs);
    if (balance_ < kPatienceNs) return;
    restUntil_ = time + std::min(kRestPerLoss * balance_, kLongestRestNs);
    balance_ = 0;
  }

  // Threads wake each other as a binary tree: a wake costs its caller 1 to 5 us, and there may be a hundred to wake.
  bool childAsleep(int me, int parties) {
    for (int child = 2 * me + 1; child <= 2 * me + 2 && child < parties; ++child) {
      if (slots_[child].asleep.load(std::memory_order_seq_cst)) return true;
    }
    return false;
  }
  void wakeChildren(int me, int parties) {
    for (int child = 2 * me + 1; child <= 2 * me + 2 && child < parties; ++child) {
      std::atomic<uint32_t>& asleep = slots_[child].asleep;
      if (asleep.load(std::memory_order_seq_cst) && asleep.exchange(0)) wakeOne(asleep);
    }
  }

  // A worker's life: wait for a generation other than the last one seen, help, again.
  void live(int me, uint32_t seen) {
#if defined(__linux__)
    pthread_setname_np(pthread_self(), "tenfold");
#endif
    Trace& trace = Trace::get();
    for (;;) {
      const uint32_t generation = await(me, seen);
      seen = generation;
      const int parties = parties_.load(std::memory_order_relaxed);
      if (me >= parties) continue;  // not asked for: setNumThreads was lowered, or the section is small
      wakeChildren(me, parties);
      if (trace.users.load(std::memory_order_relaxed) == 0) {
        work(generation, me, [](uint32_t) {});
      } else {
        const int64_t begin = now();
        if (work(generation, me, [](uint32_t) {}) > 0) trace.note({begin, now(), me});
      }
    }
  }

  uint32_t await(int me, uint32_t seen) {
    std::atomic<uint32_t>& asleep = slots_[me].asleep;
    const int64_t begin = now();
    int64_t last = begin;
    for (uint32_t turns = 0;; ++turns) {
      const uint32_t generation = generation_.load(std::memory_order_acquire);
      if (generation != seen) return generation;
      relax();
      if ((turns & 31) != 31) continue;
      const int64_t time = now();
      const bool preempted = time - last > kPreemptedNs;
      last = time;
      if (preempted) contended_.store(true, std::memory_order_relaxed);
      if (!preempted && time - begin < kSpinNs && time > trustAt_.load(std::memory_order_relaxed)) continue;
      // run() stores the generation and then looks at `asleep`, we the other way round: one of us sees the other.
      asleep.store(1, std::memory_order_seq_cst);
      while (generation_.load(std::memory_order_seq_cst) == seen && asleep.load()) sleepWhile(asleep, 1);
      asleep.store(0, std::memory_order_relaxed);
      const uint32_t woken = generation_.load(std::memory_order_acquire);
      if (woken != seen) return woken;
      last = now();
    }
  }
};

}  // namespace

int numThreads() { return Pool::get().threads(); }

void setNumThreads(int n) {
  if (n < 1 || n > kMaxThreads) {
    throw KernelError("RangeError", "setNumThreads: expected an integer from 1 to 256, got " + std::to_string(n));
  }
  Pool::get().setThreads(n);
}

int64_t traceClock() { return now(); }

void startTrace() { Trace::get().users.fetch_add(1); }

std::vector<Span> endTrace(int64_t since) {
  Trace& trace = Trace::get();
  const std::lock_guard<std::mutex> lock(trace.mutex);
  std::vector<Span> found;
  for (const Span& s : trace.spans) {
    if (s.begin >= since) found.push_back(s);
  }
  if (trace.users.fetch_sub(1) == 1) trace.spans.clear();
  return found;
}

void setPoolEager(bool eager) { Pool::get().setEager(eager); }

void parallelFor(int64_t n, int64_t grain, RangeFn fn, void* context, int64_t align) {
  if (n <= 0) return;
  const int64_t pieces = n / std::max<int64_t>(grain, 1);
  if (pieces < 2 || !Pool::get().run(n, pieces, std::max<int64_t>(align, 1), fn, context)) fn(context, 0, n);
}

}  // namespace tenfold
