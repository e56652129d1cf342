#include "node/plan.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernels/all.h"
#include "plan/plan.h"
#include "plan/runner.h"
#include "threads/trace.h"

namespace tenfold {
namespace {

// One environment's threads, and the way back from them.
struct Async {
  Runner runner;
  Napi::ThreadSafeFunction back;
  int pending = 0;
  std::vector<napi_ref> modules;  // weak
  size_t sweepAt = 1024;
};

struct Job {
  std::shared_ptr<Plan> plan;
  const double* cancelled;  // in JavaScript's memory: not 0 where nobody waits any more
  Napi::FunctionReference done;
  Async* async;
  std::string code, message;  // of an error
  int64_t failedAt = -1;
  int64_t begin = 0, end = 0;  // when it ran, by traceClock()
};

std::shared_ptr<Plan>& planOf(napi_env env, napi_value value) {
  void* data = nullptr;
  if (napi_get_value_external(env, value, &data) != napi_ok || !data) {
    throw KernelError("TypeError", "plan: expected what planCreate returned");
  }
  return *static_cast<std::shared_ptr<Plan>*>(data);
}

Napi::Error errorOf(Napi::Env env, const std::string& code, const std::string& message, int64_t failedAt) {
  const Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", code);
  error.Set("launch", static_cast<double>(failedAt));
  return error;
}

// Throws it in JavaScript, for functions that no wrapper of node-addon-api's is around: where the environment is on its
// way out nothing can be made or thrown any more, and nobody is there to be told.
void raise(napi_env env, const std::string& code, const std::string& message, int64_t failedAt) {
  try {
    errorOf(env, code, message, failedAt).ThrowAsJavaScriptException();
  } catch (const Napi::Error&) {
  }
}

// planCreate(frames, starts): frames is a Float64Array that the caller keeps, starts an Int32Array.
Napi::Value planCreate(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Float64Array frames = info[0].As<Napi::Float64Array>();
  const Napi::Int32Array starts = info[1].As<Napi::Int32Array>();
  try {
    auto plan = std::make_unique<std::shared_ptr<Plan>>(std::make_shared<Plan>(
        frames.Data(), std::vector<int64_t>(starts.Data(), starts.Data() + starts.ElementLength())));
    return Napi::External<std::shared_ptr<Plan>>::New(env, plan.release(),
                                                      [](Napi::Env, std::shared_ptr<Plan>* held) { delete held; });
  } catch (const KernelError& e) {
    throw errorOf(env, e.code, e.what(), -1);
  }
}

// planRun(plan, begin, end): raw, for steps of a microsecond.
napi_value planRun(napi_env env, napi_callback_info info) {
  napi_value argument[3];
  size_t count = 3;
  int64_t begin = 0, end = 0;
  napi_get_cb_info(env, info, &count, argument, nullptr, nullptr);
  Plan* plan = nullptr;
  try {
    plan = planOf(env, argument[0]).get();
    napi_get_value_int64(env, argument[1], &begin);
    napi_get_value_int64(env, argument[2], &end);
    if (begin < 0 || end > plan->size()) throw KernelError("RangeError", "planRun: no such launches");
    plan->run(begin, end);
  } catch (const KernelError& e) {
    raise(env, e.code, e.what(), plan ? plan->failedAt() : -1);
  } catch (const std::exception& e) {
    raise(env, "native", e.what(), plan ? plan->failedAt() : -1);
  }
  return nullptr;
}

// tileTypes(id): dtypes of an elementwise kernel's result and of its inputs; null for another kernel.
Napi::Value tileTypes(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::vector<Kernel>& table = kernelTable();
  const size_t id = info[0].ToNumber().Uint32Value();
  if (id >= table.size()) throw Napi::RangeError::New(env, "tileTypes: no such kernel");
  const Kernel& kernel = table[id];
  if (kernel.run) return env.Null();
  Napi::Array types = Napi::Array::New(env);
  types[uint32_t{0}] = static_cast<int>(kernel.out);
  for (int k = 0; k < kernel.inputs; ++k) types[static_cast<uint32_t>(k + 1)] = static_cast<int>(kernel.in[k]);
  return types;
}

// ---- modules that are alive: weak references, as a JavaScript WeakRef keeps its target until the end of the job
// -------

void sweep(napi_env env, Async& async) {
  std::vector<napi_ref> alive;
  for (napi_ref ref : async.modules) {
    napi_value value = nullptr;
    if (napi_get_reference_value(env, ref, &value) == napi_ok && value) {
      alive.push_back(ref);
    } else {
      napi_delete_reference(env, ref);
    }
  }
  async.modules = std::move(alive);
  async.sweepAt = std::max<size_t>(1024, 2 * async.modules.size());
}

// noteModule(object)
napi_value noteModule(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  napi_value object;
  size_t count = 1;
  napi_get_cb_info(env, info, &count, &object, nullptr, &data);
  Async& async = *static_cast<Async*>(data);
  napi_ref weak;
  if (count < 1 || napi_create_reference(env, object, 0, &weak) != napi_ok) {
    napi_throw_type_error(env, nullptr, "noteModule: expected an object");
    return nullptr;
  }
  async.modules.push_back(weak);
  if (async.modules.size() >= async.sweepAt) {
    napi_handle_scope scope;
    if (napi_open_handle_scope(env, &scope) == napi_ok) {
      sweep(env, async);
      napi_close_handle_scope(env, scope);
    }
  }
  return nullptr;
}

// livingModules(): those of them that have not been collected.
Napi::Value livingModules(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Async& async = *static_cast<Async*>(info.Data());
  sweep(env, async);
  Napi::Array list = Napi::Array::New(env);
  uint32_t n = 0;
  for (napi_ref ref : async.modules) {
    napi_value value = nullptr;
    if (napi_get_reference_value(env, ref, &value) == napi_ok && value) list[n++] = Napi::Value(env, value);
  }
  return list;
}

// planTime(plan, nanoseconds, begin, end): a run of launches, each with its time, at its number.
void planTime(const Napi::CallbackInfo& info) {
  Plan* plan = nullptr;
  try {
    plan = planOf(info.Env(), info[0]).get();
    Napi::Float64Array into = info[1].As<Napi::Float64Array>();
    if (static_cast<int64_t>(into.ElementLength()) < plan->size()) {
      throw KernelError("RangeError", "planTime: too few places");
    }
    const int64_t begin = info[2].ToNumber().Int64Value(), end = info[3].ToNumber().Int64Value();
    if (begin < 0 || end > plan->size()) throw KernelError("RangeError", "planTime: no such launches");
    plan->time(begin, end, into.Data());
  } catch (const KernelError& e) {
    throw errorOf(info.Env(), e.code, e.what(), plan ? plan->failedAt() : -1);
  }
}

void runJob(Job& job) {
  job.begin = traceClock();
  try {
    job.plan->run(0, job.plan->size(), job.cancelled);
  } catch (const KernelError& e) {
    job.code = e.code, job.message = e.what(), job.failedAt = job.plan->failedAt();
  } catch (const std::exception& e) {
    job.code = "native", job.message = e.what(), job.failedAt = job.plan->failedAt();
  }
  job.end = traceClock();
}

// On JavaScript's thread: done(error or undefined, when it began, when it ended).
void finish(Napi::Env env, Napi::Function, Job* given) {
  const std::unique_ptr<Job> job(given);
  if (env == nullptr) return;  // the environment is on its way out
  try {
    if (--job->async->pending == 0) job->async->back.Unref(env);
    const Napi::Function done = job->done.Value();
    const Napi::Value error =
        job->code.empty() ? env.Undefined() : errorOf(env, job->code, job->message, job->failedAt).Value();
    done.Call({error, Napi::Number::New(env, static_cast<double>(job->begin)),
               Napi::Number::New(env, static_cast<double>(job->end))});
  } catch (const Napi::Error&) {  // a worker that is being ended: nobody waits any more
  }
}

// planAsync(plan, cancelled, threads, done): all launches, on one of so many threads of our own.
void planAsync(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Async& async = *static_cast<Async*>(info.Data());
  auto job = std::make_unique<Job>();
  try {
    job->plan = planOf(env, info[0]);
  } catch (const KernelError& e) {
    throw errorOf(env, e.code, e.what(), -1);
  }
  job->cancelled = info[1].As<Napi::Float64Array>().Data();
  job->done = Napi::Persistent(info[3].As<Napi::Function>());
  job->async = &async;
  if (async.pending++ == 0) async.back.Ref(env);
  Job* const raw = job.release();
  async.runner.submit(
      [raw, &async] {
        runJob(*raw);
        async.back.NonBlockingCall(raw, finish);
      },
      info[2].ToNumber().Int32Value());
}

// traceStart(): the pool's threads note what they do from now on. Returns the clock, in nanoseconds.
Napi::Value traceStart(const Napi::CallbackInfo& info) {
  startTrace();
  return Napi::Number::New(info.Env(), static_cast<double>(traceClock()));
}

// traceEnd(since): begin, end and thread of each share of a section since then, one after the other.
Napi::Value traceEnd(const Napi::CallbackInfo& info) {
  const std::vector<Span> spans = endTrace(info[0].ToNumber().Int64Value());
  Napi::Float64Array list = Napi::Float64Array::New(info.Env(), 3 * spans.size());
  size_t at = 0;
  for (const Span& s : spans) {
    list[at++] = static_cast<double>(s.begin);
    list[at++] = static_cast<double>(s.end);
    list[at++] = s.thread;
  }
  return list;
}

}  // namespace

void addPlans(Napi::Env env, Napi::Object exports) {
  auto* async = new Async;
  // Bounded by what waits in the runner: nothing is called before it is asked for.
  async->back =
      Napi::ThreadSafeFunction::New(env, Napi::Function::New(env, [](const Napi::CallbackInfo&) {}), "tenfold", 0, 1);
  async->back.Unref(env);
  // The threads end before the environment's memory goes.
  env.AddCleanupHook(
      [](Async* held) {
        held->runner.stop();
        held->back.Release();
        delete held;
      },
      async);
  const auto addRaw = [&](const char* name, napi_callback fn) {
    napi_value function;
    if (napi_create_function(env, name, NAPI_AUTO_LENGTH, fn, async, &function) != napi_ok) throw Napi::Error::New(env);
    exports.Set(name, function);
  };
  addRaw("planRun", planRun);
  addRaw("noteModule", noteModule);
  exports.Set("livingModules", Napi::Function::New(env, livingModules, "livingModules", async));
  exports.Set("planCreate", Napi::Function::New(env, planCreate, "planCreate"));
  exports.Set("tileTypes", Napi::Function::New(env, tileTypes, "tileTypes"));
  exports.Set("traceStart", Napi::Function::New(env, traceStart, "traceStart"));
  exports.Set("traceEnd", Napi::Function::New(env, traceEnd, "traceEnd"));
  exports.Set("planTime", Napi::Function::New(env, planTime, "planTime"));
  exports.Set("planAsync", Napi::Function::New(env, planAsync, "planAsync", async));
}

}  // namespace tenfold
