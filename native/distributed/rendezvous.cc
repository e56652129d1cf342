#include "distributed/rendezvous.h"

#include <arpa/inet.h>
#include <gloo/common/error.h>
#include <gloo/rendezvous/context.h>
#include <gloo/rendezvous/store.h>
#include <gloo/transport/tcp/device.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <exception>

namespace tenfold::distributed {
namespace {

// Gloo's store over ours. What a call of ours throws doesn't travel through Gloo, which may catch it: it is kept.
class StoreAdapter : public gloo::rendezvous::Store {
 public:
  explicit StoreAdapter(const StoreCalls& calls) : calls_(calls) {}

  void set(const std::string& key, const std::vector<char>& data) override {
    kept([&] { calls_.set(key, data); });
  }
  std::vector<char> get(const std::string& key) override {
    std::vector<char> value;
    kept([&] { value = calls_.get(key); });
    return value;
  }
  void wait(const std::vector<std::string>& keys) override {
    kept([&] { calls_.wait(keys); });
  }
  void wait(const std::vector<std::string>& keys, const std::chrono::milliseconds&) override { wait(keys); }

  void rethrow() const {
    if (thrown_) std::rethrow_exception(thrown_);
  }

 private:
  template <class F>
  void kept(const F& call) {
    try {
      call();
    } catch (...) {
      thrown_ = std::current_exception();
      throw gloo::IoException("the store failed");
    }
  }
  const StoreCalls& calls_;
  std::exception_ptr thrown_;
};

// Gloo of 2022 (Debian 12) takes references, later ones take shared pointers; its version number tells nothing.
template <class Context>
void connectFullMesh(Context& context, const std::shared_ptr<StoreAdapter>& store,
                     std::shared_ptr<gloo::transport::Device>& device) {
  if constexpr (requires { context.connectFullMesh(*store, device); }) {
    context.connectFullMesh(*store, device);
  } else {
    context.connectFullMesh(store, device);
  }
}

}  // namespace

std::shared_ptr<gloo::Context> connect(int rank, int size, const std::string& address,
                                       std::chrono::milliseconds timeout, const StoreCalls& calls) {
  const auto store = std::make_shared<StoreAdapter>(calls);
  try {
    gloo::transport::tcp::attr attr;
    attr.hostname = address;
    std::shared_ptr<gloo::transport::Device> device = gloo::transport::tcp::CreateDevice(attr);
    const auto context = std::make_shared<gloo::rendezvous::Context>(rank, size);
    context->setTimeout(timeout);
    connectFullMesh(*context, store, device);
    return context;
  } catch (...) {
    store->rethrow();
    throw;
  }
}

std::string localAddressTowards(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), "9", &hints, &found) != 0) return "";
  std::string address;
  for (const addrinfo* at = found; at && address.empty(); at = at->ai_next) {
    const int fd = socket(at->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);  // nothing is sent
    if (fd < 0) continue;
    sockaddr_storage own{};
    socklen_t length = sizeof own;
    char text[NI_MAXHOST];
    if (::connect(fd, at->ai_addr, at->ai_addrlen) == 0 &&
        getsockname(fd, reinterpret_cast<sockaddr*>(&own), &length) == 0 &&
        getnameinfo(reinterpret_cast<sockaddr*>(&own), length, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0) {
      address = text;
    }
    close(fd);
  }
  freeaddrinfo(found);
  return address;
}

}  // namespace tenfold::distributed
