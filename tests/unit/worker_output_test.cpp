// What jobs print: the first and the last part survive, the middle is counted, and nothing blocks.
#include "worker/output.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <numeric>
#include <string>
#include <thread>

namespace pp::worker {
namespace {

constexpr std::size_t both_parts = 2 * stream_part;

struct ends {
  code::descriptor read, write;
};
ends make_pipe() {
  int fds[2];
  EXPECT_EQ(::pipe2(fds, O_CLOEXEC), 0);
  return {code::descriptor(fds[0]), code::descriptor(fds[1])};
}
void print(const code::descriptor& to, const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t now = ::write(to.get(), text.data() + done, text.size() - done);
    ASSERT_GT(now, 0);
    done += static_cast<std::size_t>(now);
  }
}
std::string text_of(const bytes& b) { return std::string(as_text(b)); }

/// Different at every position, so that a shifted ring is seen.
std::string pattern(std::size_t size) {
  std::string text(size, ' ');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('!' + (i * 7 + i / 251) % 90);
  return text;
}

void put(kept_stream& to, const std::string& text, std::size_t piece) {
  for (std::size_t done = 0; done < text.size();) {
    const mutable_byte_view room = to.room();
    ASSERT_FALSE(room.empty());
    const std::size_t now = std::min({piece, room.size(), text.size() - done});
    std::copy_n(text.begin() + static_cast<long>(done), now, room.begin());
    to.grew(now);
    done += now;
  }
}

TEST(KeptStream, KeepsTheFirstAndTheLastPart) {
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, stream_part - 1, stream_part, stream_part + 1, both_parts - 1, both_parts,
        both_parts + 1, both_parts + stream_part, 5 * stream_part + 12'345}) {
    for (const std::size_t piece : {std::size_t{1'000}, std::size_t{65'536}, std::size_t{1} << 24U}) {
      bytes memory(both_parts);
      kept_stream stream(memory.data(), memory.data() + stream_part, 0);
      const std::string text = pattern(size);
      put(stream, text, piece);
      bytes kept;
      EXPECT_EQ(stream.read(kept), size - std::min(size, both_parts));
      const std::string wanted =
          size <= both_parts ? text : text.substr(0, stream_part) + text.substr(size - stream_part);
      ASSERT_EQ(text_of(kept), wanted) << size << " in pieces of " << piece;
    }
  }
}

class OutputCapture : public ::testing::Test {
 protected:
  control_mapping control_ = control_mapping::create();
  ends out_ = make_pipe(), err_ = make_pipe();
  output_capture capture_{control_.page(), std::move(out_.read), std::move(err_.read)};
};

TEST_F(OutputCapture, GivesNothingWhenNothingWasPrinted) {
  EXPECT_FALSE(capture_.take(output_capture::fastest_write));
  EXPECT_FALSE(capture_.take(output_capture::fastest_write));
}

TEST_F(OutputCapture, GivesEachJobWhatItPrinted) {
  print(out_.write, "first");
  print(err_.write, "oops");
  const auto first = capture_.take(output_capture::fastest_write);
  ASSERT_TRUE(first);
  EXPECT_EQ(text_of(first->out), "first");
  EXPECT_EQ(text_of(first->err), "oops");
  EXPECT_EQ(first->out_dropped, 0U);
  EXPECT_FALSE(capture_.take(output_capture::fastest_write));
  print(err_.write, "second");
  const auto second = capture_.take(output_capture::fastest_write);
  ASSERT_TRUE(second);
  EXPECT_TRUE(second->out.empty());
  EXPECT_EQ(text_of(second->err), "second");
}

TEST_F(OutputCapture, ForgetsWhatIsDiscarded) {
  print(out_.write, "from a static initialiser");
  capture_.discard();
  EXPECT_FALSE(capture_.take(output_capture::fastest_write));
}

TEST(OutputLimit, KeepsThatMuchOfBothEnds) {
  constexpr std::size_t kept = 2048;
  control_mapping control = control_mapping::create();
  control.page().kept = kept;
  ends out = make_pipe(), err = make_pipe();
  output_capture capture(control.page(), std::move(out.read), std::move(err.read));
  const std::string text = pattern(3 * stream_part);
  print(out.write, text);
  const auto printed = capture.take(output_capture::fastest_write);
  ASSERT_TRUE(printed);
  EXPECT_EQ(text_of(printed->out), text.substr(0, kept) + text.substr(text.size() - kept));
  EXPECT_EQ(printed->out_dropped, text.size() - 2 * kept);
}

/// Jobs can write the page.
TEST(OutputLimit, StaysWithinThePageWhateverThePageSays) {
  for (const std::uint64_t said : {std::uint64_t{0}, std::uint64_t{stream_part + 1}, ~std::uint64_t{0}}) {
    control_mapping control = control_mapping::create();
    control.page().kept = said;
    ends out = make_pipe(), err = make_pipe();
    output_capture capture(control.page(), std::move(out.read), std::move(err.read));
    const std::string text = pattern(3 * stream_part);
    print(out.write, text);
    const auto printed = capture.take(output_capture::fastest_write);
    ASSERT_TRUE(printed);
    EXPECT_LE(printed->out.size(), both_parts);
    EXPECT_EQ(printed->out.size() + printed->out_dropped, text.size());
  }
}

TEST(OutputLimit, HoldsForTheNodeWhateverThePageSays) {
  constexpr std::size_t kept = 2048;
  control_mapping control = control_mapping::create();
  control.page().kept = ~std::uint64_t{0};
  control.page().streams[0].total = 3 * stream_part;
  ends out = make_pipe();
  print(out.write, "last words");
  const printed_text text = read_after_crash(control.page(), out.read.get(), -1, kept);
  EXPECT_EQ(text.out.size(), 2 * kept);
  EXPECT_EQ(text.out_dropped, 3 * stream_part + 10 - 2 * kept);
}

/// More than any pipe holds, written by the thread that would otherwise have to read it.
TEST_F(OutputCapture, NeverBlocksAJobThatPrintsMoreThanAPipeHolds) {
  const std::string text = pattern(8 * 1024 * 1024);
  print(out_.write, text);
  const auto printed = capture_.take(output_capture::fastest_write);
  ASSERT_TRUE(printed);
  EXPECT_EQ(text_of(printed->out), text.substr(0, stream_part) + text.substr(text.size() - stream_part));
  EXPECT_EQ(printed->out_dropped, text.size() - both_parts);
}

TEST_F(OutputCapture, EndsAJobsOutputAlthoughAnotherProcessPrintsForEver) {
  std::atomic<bool> enough{false};
  std::thread babbler([&] {
    while (!enough) print(out_.write, "blah blah blah\n");
  });
  for (int i = 0; i < 20; ++i) {
    const auto printed = capture_.take(output_capture::fastest_write);
    if (printed) {
      EXPECT_LE(printed->out.size(), both_parts);
    }
  }
  enough = true;
  babbler.join();
}

TEST_F(OutputCapture, SurvivesAJobThatClosesItsOutput) {
  out_.write.reset();
  print(err_.write, "still here");
  const auto printed = capture_.take(output_capture::fastest_write);
  ASSERT_TRUE(printed);
  EXPECT_EQ(text_of(printed->err), "still here");
}

TEST(ReadAfterCrash, FindsWhatIsInThePageAndStillInThePipes) {
  control_mapping control = control_mapping::create();
  output_stream_page& page = control.page().streams[0];
  std::copy_n("in the page, ", 13, page.head);
  page.total = 13;
  ends out = make_pipe(), err = make_pipe();
  print(out.write, "in the pipe");
  out.write.reset();
  const printed_text text = read_after_crash(control.page(), out.read.get(), err.read.get());  // err: open and empty
  EXPECT_EQ(text_of(text.out), "in the page, in the pipe");
  EXPECT_TRUE(text.err.empty());
}

TEST(ReadAfterCrash, GivesTheTailOfALongOutput) {
  control_mapping control = control_mapping::create();
  output_stream_page& page = control.page().streams[1];
  const std::string text = pattern(3 * stream_part + 100);
  kept_stream stream(page.head, page.tail, 0);
  put(stream, text, 50'000);
  page.total = stream.total();
  const printed_text found = read_after_crash(control.page(), -1, -1);
  EXPECT_EQ(text_of(found.err), text.substr(0, stream_part) + text.substr(text.size() - stream_part));
  EXPECT_EQ(found.err_dropped, text.size() - both_parts);
}

TEST(ReadAfterCrash, IsBoundedWhateverThePageSays) {
  for (const std::uint64_t lie : {~std::uint64_t{0}, ~std::uint64_t{0} - 5, std::uint64_t{1} << 63U}) {
    control_mapping control = control_mapping::create();
    control.page().streams[0].total = lie;
    ends out = make_pipe();
    print(out.write, "0123456789");
    const printed_text text = read_after_crash(control.page(), out.read.get(), -1);
    EXPECT_LE(text.out.size(), both_parts);
  }
}

}  // namespace
}  // namespace pp::worker
