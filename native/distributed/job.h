// A call under way: something that a thread does, or a message on its way, that others wait for or are told of.
#pragma once
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>

namespace tenfold::distributed {

using Milliseconds = std::chrono::milliseconds;

class Job {
 public:
  // What is to be waited for by whoever first asks for the end, at most so long; nothing where a thread does the work
  // and calls complete(). It throws what the call failed with.
  using Finish = std::function<void(Milliseconds atMost)>;
  explicit Job(Finish finish = nullptr) : finish_(std::move(finish)) {}

  // Blocks until done, at most so long. Whether it is done.
  bool wait(Milliseconds atMost);
  bool done() const;
  // What it failed with; empty where it hasn't.
  std::string error() const;
  // Calls `act` when done, on the thread that ends it; at once where it is done.
  void whenDone(std::function<void()> act);
  void complete(const std::string& error);

  // Where a message from anybody came from.
  int source = -1;

 private:
  mutable std::mutex mutex_;
  std::condition_variable ended_;
  Finish finish_;
  bool finishing_ = false, done_ = false;
  std::string error_;
  std::function<void()> act_;
};

}  // namespace tenfold::distributed
