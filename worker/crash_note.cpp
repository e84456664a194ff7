// The node's half of crash_note.hpp; the worker's is crash_watch.cpp.
#include "worker/crash_note.hpp"

#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace pp::worker {
namespace {

template <std::size_t Size>
std::string text_in(const char (&from)[Size]) {
  return std::string(from, ::strnlen(from, Size));
}

}  // namespace

crash_note read_crash_note(const crash_page& page, int signal, int status) {
  crash_page copy;
  std::memcpy(&copy, &page, sizeof copy);  // a process that the job forked may still write there
  crash_note note;
  if (signal == 0 && status > 128) signal = status - 128;
  if (signal == 0 || copy.signal != static_cast<std::uint64_t>(signal)) return note;
  note.signal = signal;
  note.address = copy.address;
  note.stack.assign(copy.stack, copy.stack + std::min<std::uint64_t>(copy.frames, crash_page::most_frames));
  note.has_terminated = copy.has_terminated != 0 && signal == SIGABRT;
  if (!note.has_terminated) return note;
  note.type = text_in(copy.type);
  note.what = text_in(copy.what);
  return note;
}

std::string in_words(const crash_note& note) {
  char address[32];
  std::snprintf(address, sizeof address, "0x%llx", static_cast<unsigned long long>(note.address));
  if (note.signal == SIGSEGV || note.signal == SIGBUS) return std::string(" at address ") + address;
  if (!note.has_terminated) return {};
  if (note.type.empty()) return "; std::terminate was called";
  return "; terminate called: " + note.type + ": " + note.what;
}

}  // namespace pp::worker
