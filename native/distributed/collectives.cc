#include "distributed/collectives.h"

#include <gloo/allgather.h>
#include <gloo/allreduce.h>
#include <gloo/alltoallv.h>
#include <gloo/barrier.h>
#include <gloo/broadcast.h>
#include <gloo/gather.h>
#include <gloo/reduce.h>
#include <gloo/scatter.h>
#include <gloo/transport/unbound_buffer.h>

#include <cstring>
#include <memory>
#include <stdexcept>

#include "distributed/failure.h"

namespace tenfold::distributed {
namespace {

using ContextPtr = std::shared_ptr<gloo::Context>;

// Gloo's options are told the size of an element by a type; what is moved and not computed with is told so by its size.
template <class F>
void bySize(DType dtype, const F& f) {
  switch (sizeOf(dtype)) {
    case 1:
      return f(uint8_t{});
    case 2:
      return f(uint16_t{});
    case 4:
      return f(uint32_t{});
    default:
      return f(uint64_t{});
  }
}

template <class T>
T* elements(const Span& span) {
  return reinterpret_cast<T*>(span.data);
}
template <class T>
size_t count(const Span& span) {
  return span.bytes / sizeof(T);
}

template <class Options>
Options options(const ContextPtr& context, const Call& call) {
  Options options(context);
  options.setTag(call.tag);
  options.setTimeout(call.timeout);
  return options;
}

void averaged(const ContextPtr& context, const Call& call) {
  const Span& out = call.outputs[0];
  if (call.average) divide(call.dtype, out.data, out.bytes / sizeOf(call.dtype), context->size);
}

void allReduce(const ContextPtr& context, Call& call) {
  if (context->size > 1) {
    auto o = options<gloo::AllreduceOptions>(context, call);
    bySize(call.dtype, [&]<class T>(T) { o.setOutput(elements<T>(call.outputs[0]), count<T>(call.outputs[0])); });
    o.setReduceFunction(reduceFunction(call.dtype, call.reduce));
    gloo::allreduce(o);
  }
  averaged(context, call);
}

void broadcast(const ContextPtr& context, Call& call) {
  if (context->size == 1) return;
  auto o = options<gloo::BroadcastOptions>(context, call);
  o.setRoot(call.root);
  bySize(call.dtype, [&]<class T>(T) { o.setOutput(elements<T>(call.outputs[0]), count<T>(call.outputs[0])); });
  gloo::broadcast(o);
}

// Gloo collects in every rank's buffer; only the root's is the caller's.
void reduce(const ContextPtr& context, Call& call) {
  const Span& out = call.outputs[0];
  if (context->size > 1) {
    std::unique_ptr<char[]> scratch;
    char* into = out.data;
    if (context->rank != call.root) {
      scratch.reset(new char[out.bytes]);
      std::memcpy(scratch.get(), out.data, out.bytes);
      into = scratch.get();
    }
    auto o = options<gloo::ReduceOptions>(context, call);
    o.setRoot(call.root);
    bySize(call.dtype, [&]<class T>(T) { o.setOutput(reinterpret_cast<T*>(into), count<T>(out)); });
    o.setReduceFunction(reduceFunction(call.dtype, call.reduce));
    gloo::reduce(o);
  }
  if (context->rank == call.root) averaged(context, call);
}

void allGather(const ContextPtr& context, Call& call) {
  const Span &in = call.inputs[0], &out = call.outputs[0];
  if (context->size == 1) {
    std::memmove(out.data, in.data, in.bytes);
    return;
  }
  auto o = options<gloo::AllgatherOptions>(context, call);
  bySize(call.dtype, [&]<class T>(T) {
    o.setInput(elements<T>(in), count<T>(in));
    o.setOutput(elements<T>(out), count<T>(out));
  });
  gloo::allgather(o);
}

void gather(const ContextPtr& context, Call& call) {
  const Span& in = call.inputs[0];
  if (context->size == 1) {
    std::memmove(call.outputs[0].data, in.data, in.bytes);
    return;
  }
  auto o = options<gloo::GatherOptions>(context, call);
  o.setRoot(call.root);
  bySize(call.dtype, [&]<class T>(T) {
    o.setInput(elements<T>(in), count<T>(in));
    if (context->rank == call.root) o.setOutput(elements<T>(call.outputs[0]), count<T>(call.outputs[0]));
  });
  gloo::gather(o);
}

void scatter(const ContextPtr& context, Call& call) {
  const Span& out = call.outputs[0];
  if (context->size == 1) {
    std::memmove(out.data, call.inputs[0].data, out.bytes);
    return;
  }
  auto o = options<gloo::ScatterOptions>(context, call);
  o.setRoot(call.root);
  bySize(call.dtype, [&]<class T>(T) {
    if (context->rank == call.root) {
      std::vector<T*> parts;
      for (const Span& part : call.inputs) parts.push_back(elements<T>(part));
      o.setInputs(parts, count<T>(out));
    }
    o.setOutput(elements<T>(out), count<T>(out));
  });
  gloo::scatter(o);
}

// A ring: piece c starts behind rank c and comes to it after all others have added theirs. (Gloo's own, of 2017, wants
// its buffers bound beforehand; an all-reduce, which is what PyTorch does, moves twice as much.)
void reduceScatter(const ContextPtr& context, Call& call) {
  const Span &in = call.inputs[0], &out = call.outputs[0];
  const int rank = context->rank, size = context->size;
  const size_t bytes = out.bytes, n = bytes / sizeOf(call.dtype);
  const ReduceFn function = reduceFunction(call.dtype, call.reduce);
  const auto piece = [&](int step) { return in.data + bytes * static_cast<size_t>((rank - step + 2 * size) % size); };
  const auto deadline = std::chrono::steady_clock::now() + call.timeout;
  if (size == 1) {
    std::memmove(out.data, in.data, bytes);
  } else {
    const int right = (rank + 1) % size, left = (rank + size - 1) % size;
    std::unique_ptr<char[]> arrived(new char[bytes]), passed(new char[bytes]);
    const auto first = context->createUnboundBuffer(piece(1), bytes);
    const auto from = context->createUnboundBuffer(arrived.get(), bytes);
    const auto on = context->createUnboundBuffer(passed.get(), bytes);
    for (int step = 0; step < size - 1; ++step) {
      gloo::transport::UnboundBuffer& to = step == 0 ? *first : *on;
      const uint64_t slot = ownSlot(OwnSlot::reduceScatter, call.tag, static_cast<uint8_t>(step));
      from->recv(left, slot, 0, bytes);
      to.send(right, slot, 0, bytes);
      from->waitRecv(nullptr, until(deadline));
      to.waitSend(nullptr, until(deadline));
      const bool last = step == size - 2;
      function(last ? out.data : passed.get(), arrived.get(), piece(step + 2), n);
    }
  }
  averaged(context, call);
}

void allToAll(const ContextPtr& context, Call& call) {
  const Span &in = call.inputs[0], &out = call.outputs[0];
  if (context->size == 1) {
    std::memmove(out.data, in.data, in.bytes);
    return;
  }
  auto o = options<gloo::AlltoallvOptions>(context, call);
  bySize(call.dtype, [&]<class T>(T) {
    o.setInput(elements<T>(in), call.sent);
    o.setOutput(elements<T>(out), call.received);
  });
  gloo::alltoallv(o);
}

void barrier(const ContextPtr& context, Call& call) {
  if (context->size == 1) return;
  auto o = options<gloo::BarrierOptions>(context, call);
  gloo::barrier(o);
}

}  // namespace

void run(const ContextPtr& context, Call& call) {
  if (!call.agreement.empty()) agree(*context, call.agreement, call.tag, call.timeout);
  switch (call.op) {
    case Op::allReduce:
      return allReduce(context, call);
    case Op::broadcast:
      return broadcast(context, call);
    case Op::reduce:
      return reduce(context, call);
    case Op::allGather:
      return allGather(context, call);
    case Op::gather:
      return gather(context, call);
    case Op::scatter:
      return scatter(context, call);
    case Op::reduceScatter:
      return reduceScatter(context, call);
    case Op::allToAll:
      return allToAll(context, call);
    case Op::barrier:
      return barrier(context, call);
    case Op::monitoredBarrier:
      return monitoredBarrier(*context, call.tag, call.timeout, call.waitForAll);
  }
  throw std::logic_error("no such collective");
}

}  // namespace tenfold::distributed
