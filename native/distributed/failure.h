// What goes wrong between processes, found early and told in words: which rank is gone, which didn't come, who called
// something else than the others.
#pragma once
#include <gloo/context.h>

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace tenfold::distributed {

// Messages of our own travel in slots that Gloo's collectives (prefixes 1 to 8 in the lower 48 bits) and users' tags
// (32 bits) don't have.
enum class OwnSlot : uint64_t { agreement = 0x7a, header, barrierIn, barrierOut, reduceScatter, probe };
inline uint64_t ownSlot(OwnSlot kind, uint32_t tag, uint8_t step = 0) {
  return static_cast<uint64_t>(kind) << 56 | static_cast<uint64_t>(tag) << 8 | step;
}

// The time that is left, for Gloo: at least a millisecond.
std::chrono::milliseconds until(std::chrono::steady_clock::time_point deadline);

// A failure that has been put into words already.
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Throws where a rank's text isn't this one's, or doesn't come in time. Every rank must call it.
void agree(gloo::Context& context, const std::string& text, uint32_t tag, std::chrono::milliseconds timeout);

// Rank 0 waits for each other rank and then lets all go on; it throws naming those that didn't come.
void monitoredBarrier(gloo::Context& context, uint32_t tag, std::chrono::milliseconds timeout, bool waitForAll);

// What `error`, which ended a call, means.
std::string describe(gloo::Context& context, const std::exception& error, std::chrono::milliseconds timeout);

// Ends all that waits in this context, on whichever thread, and closes its connections, so that the other ranks notice.
void interrupt(gloo::Context& context);

}  // namespace tenfold::distributed
