#include "distributed/group.h"

#include <gloo/transport/unbound_buffer.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <numeric>
#include <vector>

#include "distributed/failure.h"

namespace tenfold::distributed {
namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t kHeaderBytes = 256;
using Header = std::array<char, kHeaderBytes>;

// What is on its way: it must stay where it is until the message has ended.
struct Transit {
  std::unique_ptr<gloo::transport::UnboundBuffer> data, header;
  Header text{};
};

std::vector<int> sources(const Message& message, const gloo::Context& context) {
  if (message.rank >= 0) return {message.rank};
  std::vector<int> all;
  for (int rank = 0; rank < context.size; ++rank) {
    if (rank != context.rank) all.push_back(rank);
  }
  return all;
}

Header headerOf(const std::string& text) {
  Header header{};
  std::memcpy(header.data(), text.data(), std::min(text.size(), kHeaderBytes - 1));
  return header;
}

}  // namespace

void Group::connect(const std::string& address, Milliseconds timeout, const StoreCalls& store) {
  context_ = size_ > 1 ? distributed::connect(rank_, size_, address, timeout, store)
                       : std::make_shared<gloo::Context>(rank_, size_);
  thread_ = std::thread([this] { work(); });
}

std::string Group::refusal(const std::string& name) {
  if (!failure_.empty()) return name + ": the group '" + name_ + "' failed before: " + failure_;
  return ending_ ? name + ": the group '" + name_ + "' was destroyed" : "";
}

std::shared_ptr<Job> Group::submit(Call call) {
  auto job = std::make_shared<Job>();
  std::string refused;
  {
    const std::lock_guard lock(mutex_);
    refused = refusal(call.name);
    if (refused.empty()) {
      call.tag = calls_++;
      queue_.push_back({std::move(call), job});
      changed_.notify_all();
    }
  }
  if (!refused.empty()) job->complete(refused);
  return job;
}

void Group::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return ending_ || !queue_.empty(); });
    if (queue_.empty()) return;
    Queued next = std::move(queue_.front());
    queue_.pop_front();
    std::string error = failure_.empty() ? "" : refusal(next.call.name);
    lock.unlock();
    if (error.empty()) error = runOne(next.call);
    next.job->complete(error);
    lock.lock();
  }
}

// What a call failed with; empty where it didn't.
std::string Group::runOne(Call& call) {
  try {
    run(context_, call);
    return "";
  } catch (const std::exception& e) {
    std::string before = failure();
    if (!before.empty()) return call.name + ": the group '" + name_ + "' failed meanwhile: " + before;
    return fail(call.name + ": " + describe(*context_, e, call.timeout));
  }
}

std::string Group::fail(const std::string& reason) {
  {
    const std::lock_guard lock(mutex_);
    if (!failure_.empty()) return failure_;
    failure_ = reason;
  }
  if (context_) interrupt(*context_);
  return reason;
}

std::string Group::failure() {
  const std::lock_guard lock(mutex_);
  return failure_;
}

std::shared_ptr<Job> Group::post(Message message) {
  std::string refused;
  {
    const std::lock_guard lock(mutex_);
    refused = refusal(message.name);
  }
  if (!refused.empty()) {
    auto job = std::make_shared<Job>();
    job->complete(refused);
    return job;
  }
  const auto self = shared_from_this();
  const auto transit = std::make_shared<Transit>();
  const auto deadline = Clock::now() + message.timeout;
  const std::shared_ptr<gloo::Context> context = context_;
  const uint64_t headerSlot = ownSlot(OwnSlot::header, message.tag);
  const size_t bytes = message.span.bytes;
  const std::vector<int> from = sources(message, *context);
  const bool checked = !message.agreement.empty();
  std::shared_ptr<Job> job;

  const auto finish = [=](const std::shared_ptr<Job>& ended, Milliseconds atMost) {
    const auto end = std::min(deadline, Clock::now() + atMost);
    try {
      int source = message.rank;
      if (message.sends) {
        if (checked) transit->header->waitSend(nullptr, until(end));
        transit->data->waitSend(nullptr, until(end));
        return;
      }
      if (checked) {
        transit->header->waitRecv(&source, until(end));
        const std::string sent(transit->text.data());
        if (sent != message.agreement) {
          throw Failure("rank " + std::to_string(source) + " sent " + sent + " and this rank receives " +
                        message.agreement);
        }
        transit->data->recv(source, message.tag, 0, bytes);
      }
      transit->data->waitRecv(&source, until(end));
      if (ended) ended->source = source;
    } catch (const std::exception& e) {
      const std::string before = self->failure();
      if (!before.empty())
        throw Failure(message.name + ": the group '" + self->name_ + "' failed meanwhile: " + before);
      throw Failure(self->fail(message.name + ": " + describe(*context, e, message.timeout)));
    }
  };
  const auto handle = std::make_shared<std::weak_ptr<Job>>();
  job = std::make_shared<Job>([finish, handle](Milliseconds atMost) { finish(handle->lock(), atMost); });
  *handle = job;

  try {
    transit->data = context->createUnboundBuffer(message.span.data, bytes);
    if (checked) {
      if (message.sends) transit->text = headerOf(message.agreement);
      transit->header = context->createUnboundBuffer(transit->text.data(), kHeaderBytes);
    }
    if (message.sends) {
      if (checked) transit->header->send(message.rank, headerSlot, 0, kHeaderBytes);
      transit->data->send(message.rank, message.tag, 0, bytes);
    } else if (checked) {
      transit->header->recv(from, headerSlot, 0, kHeaderBytes);
    } else if (message.rank >= 0) {
      transit->data->recv(message.rank, message.tag, 0, bytes);
    } else {
      transit->data->recv(from, message.tag, 0, bytes);
    }
  } catch (const std::exception& e) {
    job->complete(fail(message.name + ": " + describe(*context, e, message.timeout)));
  }
  return job;
}

void Group::waitAside(const std::shared_ptr<Job>& job) {
  const std::lock_guard lock(mutex_);
  for (auto at = aside_.begin(); at != aside_.end();) {
    if (at->second->done()) {
      at->first.join();
      at = aside_.erase(at);
    } else {
      ++at;
    }
  }
  aside_.emplace_back(std::thread([job] { job->wait(Milliseconds(1 << 30)); }), job);
}

void Group::close() { end(); }

void Group::stop() {
  fail("this process ended it");
  end();
}

void Group::end() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
  std::list<std::pair<std::thread, std::shared_ptr<Job>>> aside;
  {
    const std::lock_guard lock(mutex_);
    aside.swap(aside_);
  }
  for (auto& [thread, job] : aside) thread.join();
  context_.reset();
}

}  // namespace tenfold::distributed
