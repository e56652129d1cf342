#include "threads/processors.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#elif defined(_WIN32)
#include <windows.h>
#include <vector>
#endif

namespace tenfold {
namespace {

#if defined(__linux__)

int allowedCores() {
  // 8192 processors: the fixed-size cpu_set_t fails with EINVAL on kernels built for more than 1024.
  constexpr int kMost = 8192;
  cpu_set_t* mask = CPU_ALLOC(kMost);
  if (!mask) return 0;
  std::set<std::string> cores;
  const size_t bytes = CPU_ALLOC_SIZE(kMost);
  if (sched_getaffinity(0, bytes, mask) == 0) {
    for (int cpu = 0; cpu < kMost; ++cpu) {
      if (!CPU_ISSET_S(cpu, bytes, mask)) continue;
      std::string siblings;
      std::ifstream("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list") >> siblings;
      cores.insert(siblings.empty() ? std::to_string(cpu) : siblings);
    }
  }
  CPU_FREE(mask);
  return static_cast<int>(cores.size());
}

// Processors of one cgroup's quota, or infinity. version 2: "cpu.max" holds "max 100000" or "150000 100000".
double quotaAt(const std::string& folder, bool version2) {
  double quota = -1, period = 0;
  if (version2) {
    std::ifstream(folder + "/cpu.max") >> quota >> period;  // the word "max" sets quota to 0 and the stream to fail
  } else {
    std::ifstream(folder + "/cpu.cfs_quota_us") >> quota;
    std::ifstream(folder + "/cpu.cfs_period_us") >> period;
  }
  return quota > 0 && period > 0 ? quota / period : INFINITY;
}

// The tightest quota from the process's cgroup up to the root. A line of /proc/self/cgroup is
// "id:controllers:path", with id 0 and no controllers for version 2.
double cgroupQuota() {
  double least = INFINITY;
  std::ifstream lines("/proc/self/cgroup");
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool version2 = controllers.empty();
    if (!version2 && ("," + controllers + ",").find(",cpu,") == std::string::npos) continue;
    const std::string mount = version2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/" + controllers;
    for (std::string path = line.substr(second + 1);; path.resize(path.find_last_of('/'))) {
      least = std::min(least, quotaAt(mount + path, version2));
      if (path.find_last_of('/') == std::string::npos) break;
    }
  }
  return least;
}

#elif defined(__APPLE__)

int allowedCores() {
  int n = 0;
  size_t size = sizeof n;
  // Performance cores only: a piece on an efficiency core holds up the join.
  if (sysctlbyname("hw.perflevel0.physicalcpu", &n, &size, nullptr, 0) == 0 && n > 0) return n;
  size = sizeof n;
  return sysctlbyname("hw.physicalcpu", &n, &size, nullptr, 0) == 0 ? n : 0;
}
double cgroupQuota() { return INFINITY; }

#elif defined(_WIN32)

int allowedCores() {
  DWORD_PTR mine = 0, all = 0;
  if (!GetProcessAffinityMask(GetCurrentProcess(), &mine, &all) || !mine) return 0;
  DWORD bytes = 0;
  GetLogicalProcessorInformation(nullptr, &bytes);
  std::vector<SYSTEM_LOGICAL_PROCESSOR_INFORMATION> info(bytes / sizeof(SYSTEM_LOGICAL_PROCESSOR_INFORMATION));
  if (info.empty() || !GetLogicalProcessorInformation(info.data(), &bytes)) return 0;
  return static_cast<int>(std::count_if(info.begin(), info.end(), [mine](const auto& i) {
    return i.Relationship == RelationProcessorCore && (i.ProcessorMask & mine) != 0;
  }));
}
double cgroupQuota() { return INFINITY; }

#else
int allowedCores() { return 0; }
double cgroupQuota() { return INFINITY; }
#endif

}  // namespace

int availableCores() {
  int cores = allowedCores();
  if (cores < 1) cores = static_cast<int>(std::thread::hardware_concurrency());
  const double quota = cgroupQuota();
  if (std::isfinite(quota)) cores = std::min(cores, static_cast<int>(std::ceil(quota)));
  return std::max(cores, 1);
}

}  // namespace tenfold
