// A test harness of a page: TEST(name) { CHECK(...) }, every test once for each instruction set where it says so.
#pragma once
#include <cstdio>
#include <vector>

namespace tenfold::test {
struct Case {
  const char* name;
  void (*fn)();
};
inline std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}
struct Register {
  Register(const char* n, void (*f)()) { cases().push_back({n, f}); }
};
inline int& failures() {
  static int n = 0;
  return n;
}
}  // namespace tenfold::test

#define TEST(NAME)                                                      \
  static void test_##NAME();                                            \
  static ::tenfold::test::Register register_##NAME(#NAME, test_##NAME); \
  static void test_##NAME()
#define CHECK(OK, ...)                                                    \
  do {                                                                    \
    if (!(OK)) {                                                          \
      ++::tenfold::test::failures();                                      \
      std::printf("  %s:%d: CHECK(%s) failed.", __FILE__, __LINE__, #OK); \
      std::printf(" " __VA_ARGS__);                                       \
      std::printf("\n");                                                  \
    }                                                                     \
  } while (0)
