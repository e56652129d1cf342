// The border to JavaScript. One hot function, launch(), in raw Node-API; the rest is cold and uses node-addon-api.
// All state belongs to an environment (a thread's instance of Node); kernels and the thread pool know nothing of Node.
#ifdef _WIN32
#define _CRT_RAND_S  // rand_s of stdlib.h
#endif
#include <napi.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include "gemm/blas.h"
#include "kernels/all.h"
#include "loops/elementwise.h"
#include "node/plan.h"
#include "simd/cpu.h"
#include "threads/pool.h"
#ifdef __linux__
#include <sys/mman.h>
#endif
#ifndef _WIN32
#include <sys/random.h>
#include <unistd.h>
#endif

namespace {

using tenfold::Kernel;

struct State {
  int64_t target = tenfold::chosenTarget();
  std::vector<Kernel> kernels;
  tenfold::CastTileFn cast = nullptr;
  const double* frame = nullptr;
  napi_ref frameArray = nullptr;  // keeps the frame's memory alive
  std::vector<napi_ref> watched;  // weak; nullptr: a free slot
  std::vector<int32_t> freeSlots;
};

// launch(…): runs the kernel whose id and arguments stand in the frame. It reads no argument of the call and returns
// nothing, and its state comes through the function's data pointer: at 12 numbers it costs what an empty call does.
// What is passed to it is what owns the memory whose addresses are in the frame: arguments of a call live until it
// returns.
napi_value launch(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  const State& state = *static_cast<const State*>(data);
  const double* frame = state.frame;
  try {
    if (!frame) throw tenfold::KernelError("TypeError", "launch: no frame was set");
    const double id = frame[0];
    if (!(id >= 0 && id < static_cast<double>(state.kernels.size()))) {
      throw tenfold::KernelError("RangeError", "launch: no kernel has the id " + std::to_string(id));
    }
    const Kernel& kernel = state.kernels[static_cast<size_t>(id)];
    if (kernel.run) {
      kernel.run(kernel, tenfold::Frame{frame + 1});
    } else {
      tenfold::runElementwise(kernel, frame, state.cast);
    }
  } catch (const tenfold::KernelError& e) {
    napi_throw_error(env, e.code, e.what());
  } catch (const std::bad_alloc&) {
    napi_throw_error(env, "RangeError", "out of memory in native code");
  } catch (const std::exception& e) {
    napi_throw_error(env, "Error", e.what());
  } catch (...) {
    napi_throw_error(env, "Error", "unknown error in native code");
  }
  return nullptr;
}

// kernels(): "name,code of the dtype;" of each, as one string: a JavaScript object each takes 0.6 ms of an import.
Napi::Value kernels(const Napi::CallbackInfo& info) {
  const State& state = *static_cast<const State*>(info.Data());
  std::string list;
  for (const Kernel& k : state.kernels) {
    list += k.name;
    list += ',';
    list += std::to_string(static_cast<int>(k.dtype));
    list += ';';
  }
  return Napi::String::New(info.Env(), list);
}

// declaration(id): what the kernel's frame consists of, as its row in the table says; null for an elementwise kernel.
Napi::Value declaration(const Napi::CallbackInfo& info) {
  const State& state = *static_cast<const State*>(info.Data());
  const size_t id = info[0].ToNumber().Uint32Value();
  if (id >= state.kernels.size()) throw Napi::RangeError::New(info.Env(), "declaration: no such kernel");
  const Kernel& k = state.kernels[id];
  if (!k.run) return info.Env().Null();
  return Napi::String::New(info.Env(), k.frame ? k.frame : "?");
}

// elementwiseFrame(): the places of the elementwise driver's frame, in the order of lib/native/launch.ts.
Napi::Value elementwiseFrame(const Napi::CallbackInfo& info) {
  namespace at = tenfold::frameAt;
  const int places[] = {
      at::ndim,    at::numel,         at::operands,     at::operand,          at::params,          at::sizes,
      at::strides, tenfold::kMaxDims, tenfold::kMemory, tenfold::kOneElement, tenfold::kImmediate, tenfold::kMaxInputs};
  Napi::Array list = Napi::Array::New(info.Env());
  uint32_t n = 0;
  for (const int place : places) list[n++] = Napi::Number::New(info.Env(), place);
  return list;
}

// entropy(): 53 bits of the system's randomness, for a seed. (Node's crypto takes 3 to 5 ms to load; std::random_device
// of a new compiler wants a C library as new.)
Napi::Value entropy(const Napi::CallbackInfo& info) {
  uint32_t words[2];
#ifdef _WIN32
  const bool got = rand_s(&words[0]) == 0 && rand_s(&words[1]) == 0;
#else
  const bool got = getentropy(words, sizeof words) == 0;
#endif
  if (!got) throw Napi::Error::New(info.Env(), "seed: the system gives no random numbers");
  return Napi::Number::New(info.Env(), static_cast<double>((uint64_t{words[0]} << 32 | words[1]) >> 11));
}

void setFrame(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != napi_float64_array) {
    throw Napi::TypeError::New(env, "setFrame: expected a Float64Array");
  }
  const Napi::Float64Array frame = info[0].As<Napi::Float64Array>();
  if (frame.ElementLength() < tenfold::kFrameLength) {
    throw Napi::RangeError::New(env, "setFrame: expected at least " + std::to_string(tenfold::kFrameLength) +
                                         " elements, got " + std::to_string(frame.ElementLength()));
  }
  State& state = *static_cast<State*>(info.Data());
  napi_ref old = state.frameArray;
  if (napi_create_reference(env, frame, 1, &state.frameArray) != napi_ok) throw Napi::Error::New(env);
  if (old) napi_delete_reference(env, old);
  state.frame = frame.Data();
}

// Address of an ArrayBuffer's or a typed array's first byte. Node-API has no call for SharedArrayBuffer, so that comes
// as a Uint8Array over it.
Napi::Value address(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  void* data = nullptr;
  napi_status status = napi_invalid_arg;
  if (info[0].IsArrayBuffer()) {
    status = napi_get_arraybuffer_info(env, info[0], &data, nullptr);
  } else if (info[0].IsTypedArray()) {
    status = napi_get_typedarray_info(env, info[0], nullptr, nullptr, &data, nullptr, nullptr);
  }
  if (status != napi_ok) throw Napi::TypeError::New(env, "address: expected an ArrayBuffer or a typed array");
  return Napi::Number::New(env, static_cast<double>(reinterpret_cast<uintptr_t>(data)));
}

// adviseHuge(address, bytes): asks for 2 MB pages for those that lie wholly inside. A first touch of 64 MB then takes
// 18 ms instead of 35.
void adviseHuge(const Napi::CallbackInfo& info) {
#ifdef __linux__
  constexpr uintptr_t kHuge = uintptr_t{2} << 20;
  const uintptr_t from = static_cast<uintptr_t>(info[0].ToNumber().DoubleValue());
  const uintptr_t to = from + static_cast<uintptr_t>(info[1].ToNumber().DoubleValue());
  const uintptr_t begin = (from + kHuge - 1) & ~(kHuge - 1), end = to & ~(kHuge - 1);
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#else
  (void)info;
#endif
}

// ---- watching objects: which of them has the garbage collector taken?
// -------------------------------------------------- A finalizer would tell only when the event loop turns, a WeakRef
// keeps its target until the end of the job; a weak reference that is looked at tells at once. In raw Node-API, as
// every large tensor comes through here.

// watch(object): the slot under which collected() will name it.
napi_value watch(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  napi_value object;
  size_t count = 1;
  napi_get_cb_info(env, info, &count, &object, nullptr, &data);
  State& state = *static_cast<State*>(data);
  napi_ref weak;
  if (count < 1 || napi_create_reference(env, object, 0, &weak) != napi_ok) {
    napi_throw_type_error(env, nullptr, "watch: expected an object");
    return nullptr;
  }
  int32_t slot;
  if (state.freeSlots.empty()) {
    slot = static_cast<int32_t>(state.watched.size());
    state.watched.push_back(weak);
  } else {
    slot = state.freeSlots.back();
    state.freeSlots.pop_back();
    state.watched[static_cast<size_t>(slot)] = weak;
  }
  napi_value result;
  napi_create_int32(env, slot, &result);
  return result;
}

void forget(napi_env env, State& state, size_t slot) {
  napi_delete_reference(env, state.watched[slot]);
  state.watched[slot] = nullptr;
  state.freeSlots.push_back(static_cast<int32_t>(slot));
}

// unwatch(slot)
napi_value unwatch(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  napi_value argument;
  size_t count = 1;
  int32_t slot = -1;
  napi_get_cb_info(env, info, &count, &argument, nullptr, &data);
  State& state = *static_cast<State*>(data);
  if (count == 1 && napi_get_value_int32(env, argument, &slot) == napi_ok && slot >= 0 &&
      static_cast<size_t>(slot) < state.watched.size() && state.watched[static_cast<size_t>(slot)]) {
    forget(env, state, static_cast<size_t>(slot));
  }
  return nullptr;
}

// collected(Int32Array): fills in the slots of objects that are gone, frees those slots, returns how many they are.
// What has no room is named by the next call. From the highest slot down, so that the lowest is given out next: the
// slots of objects then tell their order in age, the youngest is named first.
Napi::Value collected(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  State& state = *static_cast<State*>(info.Data());
  if (!info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != napi_int32_array) {
    throw Napi::TypeError::New(env, "collected: expected an Int32Array");
  }
  Napi::Int32Array slots = info[0].As<Napi::Int32Array>();
  size_t count = 0;
  for (size_t i = state.watched.size(); i-- > 0 && count < slots.ElementLength();) {
    if (!state.watched[i]) continue;
    const Napi::HandleScope scope(env);
    napi_value value = nullptr;
    if (napi_get_reference_value(env, state.watched[i], &value) != napi_ok || value) continue;
    forget(env, state, i);
    slots[count++] = static_cast<int32_t>(i);
  }
  return Napi::Number::New(env, static_cast<double>(count));
}

// alone(fn): calls fn while no other thread of this process is in here, for what is the whole process's: V8's flags.
// (A napi_value that fn throws is passed on.)
Napi::Value alone(const Napi::CallbackInfo& info) {
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  return info[0].As<Napi::Function>().Call({});
}

// An exception of ours that left a function of node-addon-api would end the process: TENFOLD_NUM_THREADS may be
// nonsense.
template <class F>
auto translated(const Napi::CallbackInfo& info, const F& run) {
  try {
    return run();
  } catch (const tenfold::KernelError& e) {
    Napi::Error error = Napi::Error::New(info.Env(), e.what());
    error.Set("code", e.code);
    throw error;
  }
}

void setNumThreads(const Napi::CallbackInfo& info) {
  translated(info, [&] { tenfold::setNumThreads(info[0].ToNumber().Int32Value()); });
}

Napi::Value getNumThreads(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), translated(info, [] { return tenfold::numThreads(); }));
}

Napi::Value describe(const Napi::CallbackInfo& info) {
  const State& state = *static_cast<const State*>(info.Data());
  Napi::Object o = Napi::Object::New(info.Env());
  o["target"] = tenfold::targetName(state.target);
  o["napi"] = NAPI_VERSION;
  o["blas"] = tenfold::blasName();
  return o;
}

void freeState(Napi::Env env, State* state) {
  if (state->frameArray) napi_delete_reference(env, state->frameArray);
  for (napi_ref weak : state->watched) {
    if (weak) napi_delete_reference(env, weak);
  }
  delete state;
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  auto* state = new State;
  env.SetInstanceData<State, freeState>(state);
  if (state->target == 0) {
    Napi::Error error = Napi::Error::New(env,
                                         "this processor lacks instructions that tenfold needs (x86-64: SSE4.2, "
                                         "POPCNT, AES and PCLMULQDQ, which all have since 2011)");
    error.Set("code", "UnsupportedProcessor");
    throw error;
  }
  const char* asked = std::getenv("TENFOLD_TARGET");
  if (asked && *asked && std::strcmp(asked, tenfold::targetName(state->target)) != 0) {
    std::string had;
    for (const int64_t target : tenfold::kTargets) {
      if (tenfold::supports(target)) had += (had.empty() ? "" : ", ") + std::string(tenfold::targetName(target));
    }
    Napi::Error error = Napi::Error::New(
        env, "TENFOLD_TARGET is '" + std::string(asked) + "'; this processor and this binary have " + had);
    error.Set("code", "UnsupportedTarget");
    throw error;
  }
  state->kernels = tenfold::kernelTable();
  state->cast = tenfold::castTileFor(state->target);

  const auto addRaw = [&](const char* name, napi_callback fn) {
    napi_value function;
    if (napi_create_function(env, name, NAPI_AUTO_LENGTH, fn, state, &function) != napi_ok) throw Napi::Error::New(env);
    exports.Set(name, function);
  };
  addRaw("launch", launch);
  addRaw("watch", watch);
  addRaw("unwatch", unwatch);
  const auto add = [&](const char* name, auto fn) { exports.Set(name, Napi::Function::New(env, fn, name, state)); };
  add("kernels", kernels);
  add("declaration", declaration);
  add("elementwiseFrame", elementwiseFrame);
  add("entropy", entropy);
  add("setFrame", setFrame);
  add("address", address);
  add("adviseHuge", adviseHuge);
  add("collected", collected);
  add("alone", alone);
  add("setNumThreads", setNumThreads);
  add("getNumThreads", getNumThreads);
  add("info", describe);
  tenfold::addPlans(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(tenfold, init)
