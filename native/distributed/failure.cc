#include "distributed/failure.h"

#include <gloo/common/error.h>
#include <gloo/transport/unbound_buffer.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

namespace tenfold::distributed {
namespace {

using Milliseconds = std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;
using Buffer = std::unique_ptr<gloo::transport::UnboundBuffer>;

constexpr size_t kTextBytes = 512;
using Text = std::array<char, kTextBytes>;

// As much of a text as there is room for; what is cut off is told apart by its hash.
Text packed(const std::string& text) {
  Text bytes{};
  std::string cut = text;
  if (cut.size() >= kTextBytes) {
    cut.resize(kTextBytes - 32);
    cut += "… #" + std::to_string(std::hash<std::string>{}(text));
  }
  std::memcpy(bytes.data(), cut.data(), cut.size());
  return bytes;
}

std::string listed(const std::vector<int>& ranks) {
  std::string list;
  for (size_t i = 0; i < ranks.size(); ++i) {
    if (i > 0) list += i + 1 == ranks.size() ? " and " : ", ";
    list += std::to_string(ranks[i]);
  }
  return (ranks.size() == 1 ? "rank " : "ranks ") + list;
}

std::string milliseconds(Milliseconds time) { return std::to_string(time.count()) + " ms"; }

// Ranks to which there is no connection any more. A send of nothing fails at once there.
std::vector<int> gone(gloo::Context& context) {
  std::vector<int> ranks;
  static char nothing;
  for (int rank = 0; rank < context.size; ++rank) {
    if (rank == context.rank) continue;
    try {
      const Buffer probe = context.createUnboundBuffer(&nothing, 0);
      probe->send(rank, ownSlot(OwnSlot::probe, 0), 0, 0);
    } catch (const std::exception&) {
      ranks.push_back(rank);
    }
  }
  return ranks;
}

std::string closed(const std::vector<int>& ranks) {
  return listed(ranks) + " closed the connection: it ended, or failed itself";
}

// Waits for messages from `ranks` that have been asked for; those that haven't come in time. Throws where a rank is
// gone.
std::vector<int> missing(gloo::Context& context, const std::vector<int>& ranks, std::vector<Buffer>& buffers,
                         Clock::time_point deadline, bool all) {
  std::vector<int> late;
  for (size_t i = 0; i < ranks.size(); ++i) {
    try {
      buffers[i]->waitRecv(nullptr, until(deadline));
    } catch (const std::exception&) {
      if (Clock::now() < deadline) {
        const std::vector<int> lost = gone(context);
        throw Failure(closed(lost.empty() ? std::vector<int>{ranks[i]} : lost));
      }
      late.push_back(ranks[i]);
      if (!all) break;
    }
  }
  return late;
}

std::vector<int> others(const gloo::Context& context) {
  std::vector<int> ranks;
  for (int rank = 0; rank < context.size; ++rank) {
    if (rank != context.rank) ranks.push_back(rank);
  }
  return ranks;
}

std::string textOf(const Text& text) { return {text.data(), strnlen(text.data(), kTextBytes)}; }

}  // namespace

Milliseconds until(Clock::time_point deadline) {
  return std::max(Milliseconds(1), std::chrono::duration_cast<Milliseconds>(deadline - Clock::now()));
}

void agree(gloo::Context& context, const std::string& text, uint32_t tag, Milliseconds timeout) {
  if (context.size == 1) return;
  const auto deadline = Clock::now() + timeout;
  const std::vector<int> ranks = others(context);
  const uint64_t slot = ownSlot(OwnSlot::agreement, tag);
  Text mine = packed(text);
  std::vector<Text> texts(ranks.size());
  std::vector<Buffer> in, out;
  for (size_t i = 0; i < ranks.size(); ++i) {
    in.push_back(context.createUnboundBuffer(texts[i].data(), kTextBytes));
    in.back()->recv(ranks[i], slot, 0, kTextBytes);
    out.push_back(context.createUnboundBuffer(mine.data(), kTextBytes));
    out.back()->send(ranks[i], slot, 0, kTextBytes);
  }
  const std::vector<int> late = missing(context, ranks, in, deadline, true);
  if (!late.empty()) {
    throw Failure(listed(late) + " didn't call it within " + milliseconds(timeout) + " (this rank: " + text + ")");
  }
  for (Buffer& buffer : out) buffer->waitSend(nullptr, until(deadline));
  std::string different;
  for (size_t i = 0; i < ranks.size(); ++i) {
    if (texts[i] != mine) different += "; rank " + std::to_string(ranks[i]) + ": " + textOf(texts[i]);
  }
  if (!different.empty()) {
    throw Failure("the ranks call different things: rank " + std::to_string(context.rank) + ": " + textOf(mine) +
                  different);
  }
}

void monitoredBarrier(gloo::Context& context, uint32_t tag, Milliseconds timeout, bool waitForAll) {
  if (context.size == 1) return;
  const auto deadline = Clock::now() + timeout;
  char byte = 1;
  const uint64_t inSlot = ownSlot(OwnSlot::barrierIn, tag), outSlot = ownSlot(OwnSlot::barrierOut, tag);
  if (context.rank != 0) {
    const Buffer buffer = context.createUnboundBuffer(&byte, 1);
    buffer->send(0, inSlot, 0, 1);
    buffer->waitSend(nullptr, until(deadline));
    const Buffer answer = context.createUnboundBuffer(&byte, 1);
    answer->recv(0, outSlot, 0, 1);
    answer->waitRecv(nullptr, until(deadline));
    return;
  }
  const std::vector<int> ranks = others(context);
  std::vector<char> bytes(ranks.size());
  std::vector<Buffer> buffers;
  for (size_t i = 0; i < ranks.size(); ++i) {
    buffers.push_back(context.createUnboundBuffer(&bytes[i], 1));
    buffers.back()->recv(ranks[i], inSlot, 0, 1);
  }
  const std::vector<int> late = missing(context, ranks, buffers, deadline, waitForAll);
  if (!late.empty()) throw Failure(listed(late) + " didn't reach the barrier within " + milliseconds(timeout));
  for (size_t i = 0; i < ranks.size(); ++i) buffers[i]->send(ranks[i], outSlot, 0, 1);
  for (Buffer& buffer : buffers) buffer->waitSend(nullptr, until(deadline));
}

std::string describe(gloo::Context& context, const std::exception& error, Milliseconds timeout) {
  if (const auto* failure = dynamic_cast<const Failure*>(&error)) return failure->what();
  std::string text = error.what();
  if (text.find("Timed out waiting") != std::string::npos || text.find("timeout") != std::string::npos) {
    return "timed out after " + milliseconds(timeout) +
           ": another rank didn't make the same call, or has stopped "
           "(TENFOLD_DISTRIBUTED_DEBUG=detail tells which)";
  }
  const std::vector<int> lost = gone(context);
  if (!lost.empty()) return closed(lost);
  // "[/a/file.cc:123] what happened" is of no use to anybody here.
  if (text.starts_with('[')) text = text.substr(std::min(text.size(), text.find("] ") + 2));
  return text;
}

void interrupt(gloo::Context& context) {
  if (context.size == 1) return;
  // A wait that ends by its time tells every other one of this context, and closes every connection.
  char byte = 0;
  const Buffer buffer = context.createUnboundBuffer(&byte, 1);
  try {
    buffer->waitRecv(nullptr, Milliseconds(1));
  } catch (const std::exception&) {
  }
}

}  // namespace tenfold::distributed
