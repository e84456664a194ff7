// PP_ASSERT for our bugs, PP_CHECK where going on would be unsafe; neither for what a peer or the machine can cause.
//
// PP_CHECK is always compiled in; PP_ASSERT vanishes with NDEBUG. Both print file and line and abort.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace pp::detail {
[[noreturn]] inline void check_failed(const char* what, const char* file, int line) {
  std::fprintf(stderr, "pp: internal error: %s is false at %s:%d\n", what, file, line);
  std::abort();
}
}  // namespace pp::detail

#define PP_CHECK(condition) \
  (static_cast<bool>(condition) ? void(0) : ::pp::detail::check_failed(#condition, __FILE__, __LINE__))
#ifdef NDEBUG
#define PP_ASSERT(condition) static_cast<void>(sizeof(static_cast<bool>(condition)))
#else
#define PP_ASSERT(condition) PP_CHECK(condition)
#endif
