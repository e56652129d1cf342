// tenfold_distributed.node: process groups for JavaScript. See lib/native/distributed.ts for what it exports.
#include <napi.h>

#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "distributed/group.h"
#include "distributed/reduce.h"
#include "distributed/rendezvous.h"

namespace tenfold::distributed {
namespace {

using GroupPtr = std::shared_ptr<Group>;
// A job, and the memory that it reads and writes: V8 must not free it, whatever becomes of the tensors.
struct Pending {
  std::shared_ptr<Job> job;
  std::vector<Napi::Reference<Napi::Value>> memory;
};
using PendingPtr = std::shared_ptr<Pending>;

// One environment's groups, and the way back to its thread.
struct State {
  std::vector<std::weak_ptr<Group>> groups;
  // Calls that JavaScript hasn't done with, by number. (As objects of Node-API's they and their memory would stay as
  // long as the event loop doesn't turn, which is for ever in a loop that never awaits.)
  std::unordered_map<uint32_t, PendingPtr> pending;
  uint32_t last = 0;
  Napi::ThreadSafeFunction back;
  int awaited = 0;
};

Napi::Value numbered(const Napi::CallbackInfo& info, PendingPtr pending) {
  State& state = *static_cast<State*>(info.Data());
  while (state.pending.contains(++state.last)) {
  }
  state.pending.emplace(state.last, std::move(pending));
  return Napi::Number::New(info.Env(), state.last);
}

const PendingPtr& pendingOf(const Napi::CallbackInfo& info, size_t argument = 0) {
  State& state = *static_cast<State*>(info.Data());
  const auto found = state.pending.find(info[argument].ToNumber().Uint32Value());
  if (found == state.pending.end()) throw Napi::TypeError::New(info.Env(), "distributed: no such call");
  return found->second;
}

struct Notice {
  Napi::FunctionReference done;
  State* state;
};

template <class T>
T& held(const Napi::Value& value, const char* what) {
  void* data = nullptr;
  if (!value.IsExternal() || napi_get_value_external(value.Env(), value, &data) != napi_ok || !data) {
    throw Napi::TypeError::New(value.Env(), std::string("distributed: expected ") + what);
  }
  return *static_cast<T*>(data);
}

template <class T>
Napi::Value external(Napi::Env env, T value) {
  return Napi::External<T>::New(env, new T(std::move(value)), [](Napi::Env, T* owned) { delete owned; });
}

// What C++ throws, as JavaScript's.
template <class F>
auto translated(Napi::Env env, const F& run) {
  try {
    return run();
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception& e) {
    throw Napi::Error::New(env, e.what());
  }
}

Milliseconds timeOf(const Napi::Value& value) {
  return Milliseconds(static_cast<int64_t>(value.ToNumber().DoubleValue()));
}

Span spanOf(const Napi::Value& value, std::vector<Napi::Reference<Napi::Value>>& memory) {
  if (!value.IsTypedArray()) throw Napi::TypeError::New(value.Env(), "distributed: expected a Uint8Array");
  void* data = nullptr;
  size_t bytes = 0;
  if (napi_get_typedarray_info(value.Env(), value, nullptr, &bytes, &data, nullptr, nullptr) != napi_ok) {
    throw Napi::TypeError::New(value.Env(), "distributed: no such memory");
  }
  memory.push_back(Napi::Reference<Napi::Value>::New(value, 1));
  static char nothing[8];
  return {data ? static_cast<char*>(data) : nothing, bytes};
}

std::vector<Span> spansOf(const Napi::Value& value, std::vector<Napi::Reference<Napi::Value>>& memory) {
  std::vector<Span> spans;
  const Napi::Array list = value.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) spans.push_back(spanOf(list[i], memory));
  return spans;
}

std::vector<int64_t> countsOf(const Napi::Value& value) {
  std::vector<int64_t> counts;
  const Napi::Array list = value.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) counts.push_back(Napi::Value(list[i]).ToNumber().Int64Value());
  return counts;
}

#define TENFOLD_WORD(name) #name,
constexpr const char* kCollectives[] = {TENFOLD_COLLECTIVES(TENFOLD_WORD)};
constexpr const char* kReductions[] = {TENFOLD_REDUCTIONS(TENFOLD_WORD)};
// The enumerator that a word of an object names.
template <class Enum, size_t N>
Enum named(const Napi::Object& given, const char* key, const char* const (&words)[N]) {
  const std::string word = Napi::Value(given.Get(key)).ToString().Utf8Value();
  for (size_t i = 0; i < N; ++i) {
    if (word == words[i]) return static_cast<Enum>(i);
  }
  throw Napi::TypeError::New(given.Env(), "distributed: no " + std::string(key) + " '" + word + "'");
}

// create(name, rank, size)
Napi::Value create(const Napi::CallbackInfo& info) {
  State& state = *static_cast<State*>(info.Data());
  const auto group = std::make_shared<Group>(info[0].ToString().Utf8Value(), info[1].ToNumber().Int32Value(),
                                             info[2].ToNumber().Int32Value());
  std::erase_if(state.groups, [](const std::weak_ptr<Group>& one) { return one.expired(); });
  state.groups.push_back(group);
  return external<GroupPtr>(info.Env(), group);
}

// connect(group, address, timeout, { set, get, wait }): blocks, and calls the store's functions meanwhile.
void connectGroup(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Object store = info[3].As<Napi::Object>();
  const auto call = [&](const char* name, const std::vector<napi_value>& arguments) {
    return store.Get(name).As<Napi::Function>().Call(store, arguments);
  };
  StoreCalls calls;
  calls.set = [&](const std::string& key, const std::vector<char>& value) {
    const Napi::HandleScope scope(env);
    call("set", {Napi::String::New(env, key), Napi::Buffer<char>::Copy(env, value.data(), value.size())});
  };
  calls.get = [&](const std::string& key) {
    const Napi::HandleScope scope(env);
    const Napi::Value value = call("get", {Napi::String::New(env, key)});
    std::vector<Napi::Reference<Napi::Value>> memory;
    const Span span = spanOf(value, memory);
    return std::vector<char>(span.data, span.data + span.bytes);
  };
  calls.wait = [&](const std::vector<std::string>& keys) {
    const Napi::HandleScope scope(env);
    Napi::Array list = Napi::Array::New(env);
    uint32_t n = 0;
    for (const std::string& key : keys) list[n++] = Napi::String::New(env, key);
    call("wait", {list});
  };
  translated(env, [&] {
    held<GroupPtr>(info[0], "a group")->connect(info[1].ToString().Utf8Value(), timeOf(info[2]), calls);
  });
}

// submit(group, { op, name, dtype, reduce, average, waitForAll, root, timeout, agreement, inputs, outputs, sent,
// received })
Napi::Value submit(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const GroupPtr group = held<GroupPtr>(info[0], "a group");
  const Napi::Object given = info[1].As<Napi::Object>();
  const auto number = [&](const char* key) { return Napi::Value(given.Get(key)).ToNumber().Int32Value(); };
  const auto pending = std::make_shared<Pending>();
  Call call{};
  call.op = named<Op>(given, "op", kCollectives);
  call.name = Napi::Value(given.Get("name")).ToString().Utf8Value();
  call.dtype = static_cast<DType>(number("dtype"));
  call.reduce = named<Reduce>(given, "reduce", kReductions);
  call.average = Napi::Value(given.Get("average")).ToBoolean();
  call.waitForAll = Napi::Value(given.Get("waitForAll")).ToBoolean();
  call.root = number("root");
  call.timeout = timeOf(given.Get("timeout"));
  call.agreement = Napi::Value(given.Get("agreement")).ToString().Utf8Value();
  call.inputs = spansOf(given.Get("inputs"), pending->memory);
  call.outputs = spansOf(given.Get("outputs"), pending->memory);
  call.sent = countsOf(given.Get("sent"));
  call.received = countsOf(given.Get("received"));
  pending->job = translated(env, [&] { return group->submit(std::move(call)); });
  return numbered(info, pending);
}

// post(group, { sends, name, rank, tag, timeout, agreement, memory })
Napi::Value post(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const GroupPtr group = held<GroupPtr>(info[0], "a group");
  const Napi::Object given = info[1].As<Napi::Object>();
  const auto pending = std::make_shared<Pending>();
  Message message{};
  message.sends = Napi::Value(given.Get("sends")).ToBoolean();
  message.name = Napi::Value(given.Get("name")).ToString().Utf8Value();
  message.rank = Napi::Value(given.Get("rank")).ToNumber().Int32Value();
  message.tag = Napi::Value(given.Get("tag")).ToNumber().Uint32Value();
  message.timeout = timeOf(given.Get("timeout"));
  message.agreement = Napi::Value(given.Get("agreement")).ToString().Utf8Value();
  message.span = spanOf(given.Get("memory"), pending->memory);
  pending->job = translated(env, [&] { return group->post(std::move(message)); });
  return numbered(info, pending);
}

// wait(job, atMost): whether it is done.
Napi::Value wait(const Napi::CallbackInfo& info) {
  const PendingPtr pending = pendingOf(info);
  return Napi::Boolean::New(info.Env(), translated(info.Env(), [&] { return pending->job->wait(timeOf(info[1])); }));
}

Napi::Value isDone(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), pendingOf(info)->job->done());
}

Napi::Value errorOf(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), pendingOf(info)->job->error());
}

Napi::Value sourceOf(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), pendingOf(info)->job->source);
}

// release(job): JavaScript has done with it.
void release(const Napi::CallbackInfo& info) {
  static_cast<State*>(info.Data())->pending.erase(info[0].ToNumber().Uint32Value());
}

// On JavaScript's thread.
void notice(Napi::Env env, Napi::Function, Notice* given) {
  const std::unique_ptr<Notice> owned(given);
  if (env == nullptr) return;  // the environment is on its way out
  try {
    if (--owned->state->awaited == 0) owned->state->back.Unref(env);
    owned->done.Value().Call({});
  } catch (const Napi::Error&) {  // a worker that is being ended: nobody waits any more
  }
}

// notify(group, job, done): calls done on this thread when the job is done. The process stays alive meanwhile.
void notify(const Napi::CallbackInfo& info) {
  State& state = *static_cast<State*>(info.Data());
  const GroupPtr group = held<GroupPtr>(info[0], "a group");
  const PendingPtr pending = pendingOf(info, 1);
  auto* raw = new Notice{Napi::Persistent(info[2].As<Napi::Function>()), &state};
  if (state.awaited++ == 0) state.back.Ref(info.Env());
  const Napi::ThreadSafeFunction back = state.back;
  pending->job->whenDone([raw, back] { back.NonBlockingCall(raw, notice); });
  if (info[3].ToBoolean()) group->waitAside(pending->job);
}

// close(group): lets what is queued end first.
void close(const Napi::CallbackInfo& info) {
  translated(info.Env(), [&] { held<GroupPtr>(info[0], "a group")->close(); });
}

// abort(group): fails what waits.
void abort(const Napi::CallbackInfo& info) {
  translated(info.Env(), [&] { held<GroupPtr>(info[0], "a group")->stop(); });
}

Napi::Value failure(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), held<GroupPtr>(info[0], "a group")->failure());
}

Napi::Value localAddress(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), localAddressTowards(info[0].ToString().Utf8Value()));
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  auto* state = new State;
  state->back =
      Napi::ThreadSafeFunction::New(env, Napi::Function::New(env, [](const Napi::CallbackInfo&) {}), "tenfold", 0, 1);
  state->back.Unref(env);
  // The threads end before the environment's memory goes.
  env.AddCleanupHook(
      [](State* owned) {
        for (const std::weak_ptr<Group>& one : owned->groups) {
          if (const GroupPtr group = one.lock()) group->stop();
        }
        owned->pending.clear();
        owned->back.Release();
        delete owned;
      },
      state);
  const auto add = [&](const char* name, auto fn) { exports.Set(name, Napi::Function::New(env, fn, name, state)); };
  add("create", create);
  add("connect", connectGroup);
  add("submit", submit);
  add("post", post);
  add("wait", wait);
  add("isDone", isDone);
  add("errorOf", errorOf);
  add("sourceOf", sourceOf);
  add("release", release);
  add("notify", notify);
  add("close", close);
  add("abort", abort);
  add("failure", failure);
  add("localAddress", localAddress);
  return exports;
}

NODE_API_MODULE(tenfold_distributed, init)

}  // namespace
}  // namespace tenfold::distributed
