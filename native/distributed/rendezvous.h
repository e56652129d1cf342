// How the processes of a group find and connect to each other.
#pragma once
#include <gloo/context.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace tenfold::distributed {

// A store as Gloo's rendezvous uses it. Each may throw; connect() passes the exception on.
struct StoreCalls {
  std::function<void(const std::string& key, const std::vector<char>& value)> set;
  std::function<std::vector<char>(const std::string& key)> get;
  std::function<void(const std::vector<std::string>& keys)> wait;
};

// Connects `rank` with all other ranks, listening on the interface with this address. Blocks.
std::shared_ptr<gloo::Context> connect(int rank, int size, const std::string& address,
                                       std::chrono::milliseconds timeout, const StoreCalls& store);

// The address of this machine from which `host` would be reached; empty where that can't be told.
std::string localAddressTowards(const std::string& host);

}  // namespace tenfold::distributed
