// The processes that exchange tensors: their connections, one thread that runs this rank's collectives in the order of
// its calls, and the first failure, after which nothing is tried any more.
#pragma once
#include <gloo/context.h>

#include <condition_variable>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "distributed/collectives.h"
#include "distributed/job.h"
#include "distributed/rendezvous.h"

namespace tenfold::distributed {

// A message to or from one rank, or from any (rank -1).
struct Message {
  bool sends;
  std::string name;  // of the call
  int rank;
  uint32_t tag;
  Milliseconds timeout;
  Span span;
  // What both sides must agree on, in words; empty where they aren't asked.
  std::string agreement;
};

class Group : public std::enable_shared_from_this<Group> {
 public:
  Group(std::string name, int rank, int size) : name_(std::move(name)), rank_(rank), size_(size) {}
  ~Group() { stop(); }

  void connect(const std::string& address, Milliseconds timeout, const StoreCalls& store);
  // Queues a collective.
  std::shared_ptr<Job> submit(Call call);
  // Sends or receives at once: messages don't wait for collectives, nor for each other.
  std::shared_ptr<Job> post(Message message);
  // Waits for a message's end on a thread of its own, for who wants to be told of it.
  void waitAside(const std::shared_ptr<Job>& job);
  // Lets queued collectives end, then ends the thread and the connections.
  void close();
  // Fails all that waits, and whatever is called later, and ends as close() does.
  void stop();
  // The first failure; empty where there was none.
  std::string failure();
  // Takes note of a failure, unless there was one, and closes the connections.
  std::string fail(const std::string& reason);

 private:
  struct Queued {
    Call call;
    std::shared_ptr<Job> job;
  };
  void work();
  std::string runOne(Call& call);
  void end();
  std::string refusal(const std::string& name);

  const std::string name_;
  const int rank_, size_;
  std::shared_ptr<gloo::Context> context_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Queued> queue_;
  bool ending_ = false;
  std::string failure_;
  uint32_t calls_ = 0;
  std::thread thread_;
  std::list<std::pair<std::thread, std::shared_ptr<Job>>> aside_;
};

}  // namespace tenfold::distributed
