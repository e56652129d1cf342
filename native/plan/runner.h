// Threads that run plans beside JavaScript: our own, because libuv's four are what file and DNS work waits for. They
// are started when there is something to run, and wait without using a core.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace tenfold {

class Runner {
 public:
  Runner() = default;
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;
  ~Runner() { stop(); }

  // Runs `job` on one of at most `threads` threads, in the order of the calls. It must not throw.
  void submit(std::function<void()> job, int threads);
  // Ends the threads when what they run has ended; what waits is dropped. To be called where no more can be submitted.
  void stop();

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  std::vector<std::thread> threads_;
  int idle_ = 0;
  bool stopping_ = false;
};

}  // namespace tenfold
