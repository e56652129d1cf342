#include "distributed/job.h"

#include <exception>
#include <utility>

namespace tenfold::distributed {

bool Job::wait(Milliseconds atMost) {
  std::unique_lock lock(mutex_);
  if (!done_ && finish_ && !finishing_) {
    finishing_ = true;
    lock.unlock();
    std::string error;
    try {
      finish_(atMost);
    } catch (const std::exception& e) {
      error = e.what();
    }
    complete(error);
    return true;
  }
  return ended_.wait_for(lock, atMost, [&] { return done_; });
}

bool Job::done() const {
  const std::lock_guard lock(mutex_);
  return done_;
}

std::string Job::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

void Job::whenDone(std::function<void()> act) {
  {
    const std::lock_guard lock(mutex_);
    if (!done_) {
      act_ = std::move(act);
      return;
    }
  }
  act();
}

void Job::complete(const std::string& error) {
  std::function<void()> act;
  {
    const std::lock_guard lock(mutex_);
    if (done_) return;
    done_ = true;
    error_ = error;
    finish_ = nullptr;  // what it holds
    act = std::exchange(act_, nullptr);
    ended_.notify_all();
  }
  if (act) act();
}

}  // namespace tenfold::distributed
