// Counts the words of whole directories on every node that can be found: real input, real balancing, one program.
//
// The main program reads files and submits their contents in batches; workers count; results are merged in the order they were
// submitted. A node may be killed meanwhile: the sums do not change. arguments.cpp has the options.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <deque>
#include <exception>
#include <iostream>
#include <map>
#include <utility>

#include <pp/pp.hpp>

#include "arguments.hpp"
#include "counting.hpp"
#include "files.hpp"

namespace {

using steady = std::chrono::steady_clock;
using job_future = pp::future<word_counts>;

double seconds_since(steady::time_point start) { return std::chrono::duration<double>(steady::now() - start).count(); }

/// Everything one distributed run found out.
struct outcome {
  word_counts counts;
  std::uint64_t files = 0;
  std::uint64_t jobs = 0;
  std::uint64_t rescheduled = 0;
  std::map<std::string, std::uint64_t> jobs_by_node;
  std::vector<std::string> complaints;
  double seconds = 0;
};

/// Lines such as "word_count: 50 % of 213.4 MB, 412 jobs done, 2 nodes" on stderr: at a terminal one that changes with each
/// per cent, else one for every five.
class progress {
 public:
  explicit progress(std::uint64_t total_bytes) : total_(total_bytes) {}
  void show(const outcome& so_far, const pp::client& client) {
    const int percent =
        total_ == 0 ? 100 : static_cast<int>(std::min<std::uint64_t>(100, so_far.counts.bytes * 100 / total_));
    if (shown_ >= 0 && percent < shown_ + (terminal_ || percent == 100 ? 1 : 5)) return;
    shown_ = percent;
    std::size_t ready = 0;
    for (const auto& node : client.nodes()) ready += node.state == "ready" ? 1 : 0;
    std::fprintf(stderr, "%sword_count: %d %% of %.1f MB, %llu jobs done, %zu node%s%s", terminal_ ? "\r" : "", percent,
                 static_cast<double>(total_) / 1e6, static_cast<unsigned long long>(so_far.jobs), ready,
                 ready == 1 ? "" : "s", terminal_ && percent < 100 ? "  " : "\n");
  }

 private:
  std::uint64_t total_;
  int shown_ = -1;
  bool terminal_ = isatty(STDERR_FILENO) == 1;
};

void take_first(std::deque<job_future>& running, outcome& into) {
  job_future first = std::move(running.front());
  running.pop_front();
  const std::string node = first.node();
  merge(into.counts, first.get());
  ++into.jobs;
  ++into.jobs_by_node[node];
}

outcome count_on_nodes(const file_list& files) {
  const auto start = steady::now();
  pp::options options;
  options.max_pending_bytes = std::size_t{256} << 20U;  // reading is faster than counting: submit() waits beyond this
  pp::client client(options);
  outcome result;
  progress shown(files.bytes);
  batch_reader reader(files);
  std::deque<job_future> running;

  for (auto batch = reader.next(); !batch.empty(); batch = reader.next()) {
    running.push_back(client.submit(count_words, batch));
    while (!running.empty() && running.front().ready()) take_first(running, result);
    shown.show(result, client);
  }
  while (!running.empty()) {
    take_first(running, result);
    shown.show(result, client);
  }
  result.files = reader.files_read();
  result.complaints = reader.complaints();
  result.rescheduled = client.stats().rescheduled;
  result.seconds = seconds_since(start);
  return result;
}

word_counts count_serially(const file_list& files) {
  word_counts counts;
  batch_reader reader(files);
  for (auto batch = reader.next(); !batch.empty(); batch = reader.next()) merge(counts, count_words(batch));
  return counts;
}

void print(const outcome& result, unsigned top) {
  for (const auto& [word, count] : commonest(result.counts, top)) {
    std::printf("%12llu  %s\n", static_cast<unsigned long long>(count), word.c_str());
  }
  for (const auto& line : result.complaints) std::fprintf(stderr, "word_count: not counted: %s\n", line.c_str());
  std::printf("files: %llu (%zu could not be read), %.1f MB\n", static_cast<unsigned long long>(result.files),
              result.complaints.size(), static_cast<double>(result.counts.bytes) / 1e6);
  std::printf("words: %llu, different: %zu\n", static_cast<unsigned long long>(result.counts.words),
              result.counts.by_word.size());
  std::printf("jobs: %llu in %.2f s\n", static_cast<unsigned long long>(result.jobs), result.seconds);
  for (const auto& [node, jobs] : result.jobs_by_node) {
    std::printf("jobs on %s: %llu\n", node.c_str(), static_cast<unsigned long long>(jobs));
  }
  std::printf("jobs rescheduled: %llu\n", static_cast<unsigned long long>(result.rescheduled));
}

bool check(const file_list& files, const word_counts& counts) {
  const auto start = steady::now();
  const bool identical = count_serially(files) == counts;
  std::printf("identical to the serial run: %s (serial: %.2f s)\n", identical ? "yes" : "NO", seconds_since(start));
  return identical;
}

int run(const arguments& a) {
  std::vector<std::string> complaints;
  const file_list files = list_files(a.directories, complaints);
  for (const auto& line : complaints) std::fprintf(stderr, "word_count: not entered: %s\n", line.c_str());
  const outcome result = count_on_nodes(files);
  print(result, a.top);
  return !a.check || check(files, result.counts) ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) try {
  pp::init(argc, argv);  // first: in a worker process this never returns
  const arguments a = parse_arguments(argc, argv);
  if (a.help) {
    std::cout << help_text();
    return 0;
  }
  return run(a);
} catch (const usage_error& e) {
  std::cerr << "word_count: " << e.what() << '\n';
  return 64;
} catch (const std::exception& e) {
  std::cerr << "word_count: " << e.what() << '\n';
  return 1;
}
