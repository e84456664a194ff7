// Crash notes: written by child processes that crash in earnest, read as the node reads them.
#include "worker/crash_note.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/runner.hpp"

namespace pp::worker {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Every address is in the program.
class every_address final : public code_lookup {
 public:
  std::string open(byte_view) override { return {}; }
  const void* address_of(code::location) const override { return nullptr; }
  code::location location_of(std::uintptr_t address) const noexcept override { return code::make_location(0, address); }
};

/// One that crashes itself while the stack is being read.
class crashing_lookup final : public code_lookup {
 public:
  std::string open(byte_view) override { return {}; }
  const void* address_of(code::location) const override { return nullptr; }
  code::location location_of(std::uintptr_t) const noexcept override {
    if (asked_++ <= 1) return code::make_location(0, 0x1234);
    *static_cast<volatile int*>(nowhere_) = 1;
    return code::no_location;
  }

 private:
  mutable int asked_ = 0;
  void* nowhere_ = reinterpret_cast<void*>(std::uintptr_t{16});
};

/// Memory that child processes write and this one reads.
class shared_page {
 public:
  shared_page()
      : at_(static_cast<crash_page*>(
            ::mmap(nullptr, sizeof(crash_page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  shared_page(const shared_page&) = delete;
  shared_page& operator=(const shared_page&) = delete;
  ~shared_page() { ::munmap(at_, sizeof(crash_page)); }
  crash_page& operator*() { return *at_; }

 private:
  crash_page* at_;
};

/// Runs `body` in a child process that notes its crashes; the signal that ended it.
template <class Body>
int signal_that_ends(crash_page& page, const code_lookup& code, Body&& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    note_crashes(page, code);
    body();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

[[gnu::noinline]] void write_to(volatile int* where) { *where = 1; }
[[gnu::noinline]] void call_with_bad_address() {
  write_to(reinterpret_cast<int*>(std::uintptr_t{0x40}));
  asm volatile("");  // no tail call
}

template <class Function>
bool lies_in(std::uint64_t where, Function* function) {
  const auto from = reinterpret_cast<std::uintptr_t>(function) & code::offset_mask;
  return code::offset_of(where) >= from && code::offset_of(where) < from + 512;
}

TEST(CrashNote, TellsSignalAddressAndStack) {
  shared_page page;
  const every_address all;
  ASSERT_EQ(signal_that_ends(*page, all, call_with_bad_address), SIGSEGV);
  const auto note = read_crash_note(*page, SIGSEGV);
  EXPECT_EQ(note.signal, SIGSEGV);
  EXPECT_EQ(note.address, 0x40U);
  ASSERT_GE(note.stack.size(), 3U);
  EXPECT_TRUE(lies_in(note.stack[0], write_to));
  EXPECT_TRUE(lies_in(note.stack[1], call_with_bad_address));
  EXPECT_EQ(in_words(note), " at address 0x40");
}

TEST(CrashNote, ACrashWhileTheStackIsReadKeepsTheFirstSignal) {
  shared_page page;
  const crashing_lookup bad;
  ASSERT_EQ(signal_that_ends(*page, bad, [] { ::raise(SIGFPE); }), SIGFPE);
  const auto note = read_crash_note(*page, SIGFPE);
  ASSERT_FALSE(note.stack.empty());
  EXPECT_EQ(code::offset_of(note.stack[0]), 0x1234U);
}

class EachSignal : public ::testing::TestWithParam<int> {};

TEST_P(EachSignal, IsNotedAndStillEndsTheProcess) {
  shared_page page;
  const every_address all;
  EXPECT_EQ(signal_that_ends(*page, all, [] { ::kill(::getpid(), GetParam()); }), GetParam());
  EXPECT_FALSE(read_crash_note(*page, GetParam()).stack.empty());
}
INSTANTIATE_TEST_SUITE_P(CrashNote, EachSignal,
                         ::testing::Values(SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS),
                         [](const auto& p) { return std::string(::sigabbrev_np(p.param)); });

TEST(CrashNote, LeavesAHandlerOfTheProgramAlone) {
  shared_page page;
  const every_address all;
  ::signal(SIGFPE, [](int) { ::_exit(0); });
  EXPECT_EQ(signal_that_ends(*page, all, [] { ::raise(SIGFPE); }), 0);
  ::signal(SIGFPE, SIG_DFL);
  EXPECT_EQ((*page).signal, 0U);
}

TEST(CrashNote, AForkedChildNotesNothing) {
  shared_page page;
  const every_address all;
  const int ended = signal_that_ends(*page, all, [] {
    const pid_t child = ::fork();
    if (child == 0) call_with_bad_address();
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) ::raise(SIGKILL);
  });
  EXPECT_EQ(ended, SIGKILL) << "the child died of its crash";
  EXPECT_EQ((*page).signal, 0U);
}

void fail_with(const char* text) {
  if (*text != '\0') throw std::range_error(text);
}
void never_throws(const char* text) noexcept { fail_with(text); }

TEST(CrashNote, NamesTheExceptionOfTerminate) {
  shared_page page;
  const every_address all;
  ASSERT_EQ(signal_that_ends(*page, all, [] { never_throws("too far"); }), SIGABRT);
  const auto note = read_crash_note(*page, SIGABRT);
  EXPECT_EQ(note.type, "std::range_error");
  EXPECT_EQ(note.what, "too far");
  EXPECT_EQ(in_words(note), "; terminate called: std::range_error: too far");
}

TEST(CrashNote, IsNothingIfItIsAboutAnotherSignal) {
  crash_page page{};
  page.signal = SIGSEGV;
  page.frames = 1;
  EXPECT_THAT(read_crash_note(page, SIGKILL).stack, IsEmpty());
  EXPECT_THAT(read_crash_note(page, 0).stack, IsEmpty());
  EXPECT_EQ(in_words(read_crash_note(page, SIGKILL)), "");
}

TEST(CrashNote, IsFoundByTheStatusOfAProcessThatCannotSignalItself) {
  crash_page page{};
  page.signal = SIGABRT;
  page.frames = 1;
  EXPECT_EQ(read_crash_note(page, 0, 128 + SIGABRT).stack.size(), 1U);
  EXPECT_THAT(read_crash_note(page, 0, 3).stack, IsEmpty());
  EXPECT_THAT(read_crash_note(page, SIGKILL, 128 + SIGABRT).stack, IsEmpty());
}

TEST(CrashNote, HostileNumbersAndTextsAreCut) {
  crash_page page;
  std::memset(&page, 0x7f, sizeof page);
  page.signal = SIGABRT;
  const auto note = read_crash_note(page, SIGABRT);
  EXPECT_EQ(note.stack.size(), crash_page::most_frames);
  EXPECT_EQ(note.type.size(), sizeof page.type) << "no end of the text";
  EXPECT_EQ(note.what.size(), sizeof page.what);
}

}  // namespace
}  // namespace pp::worker
