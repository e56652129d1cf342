// Runs all native tests, or those whose name holds the first argument. Exits with 1 where one failed or none ran.
#include "check.h"

#include <cstring>

int main(int argc, char** argv) {
  using namespace tenfold::test;
  int ran = 0, failed = 0;
  for (const Case& c : cases()) {
    if (argc > 1 && !std::strstr(c.name, argv[1])) continue;
    const int before = failures();
    c.fn();
    ++ran;
    failed += failures() > before;
    std::printf("%s %s\n", failures() > before ? "FAIL" : "ok  ", c.name);
  }
  std::printf("%d passed, %d failed\n", ran - failed, failed);
  return failed || !ran ? 1 : 0;
}
