// How many cores this process may really use.
#pragma once

namespace tenfold {

// Cores that the affinity mask allows (two hardware threads of a core count once: they share its vector units), cut to
// the quota of the process's cgroup and of those above it (a container's --cpus), rounded up. At least 1.
int availableCores();

}  // namespace tenfold
