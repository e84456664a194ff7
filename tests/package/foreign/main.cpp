// A program outside the tree: runs functions on two nodes found by discovery and wants every result, whatever happens.
//
// Prints "half" on stderr when half of the results are there. Exit status 0 if all results are right.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <pp/pp.hpp>

namespace {

struct task {  // a type of its own, to travel both ways
  std::uint32_t number = 0;
  std::vector<std::string> words;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(number, words);
  }
};

task work(task t) {
  std::this_thread::sleep_for(std::chrono::milliseconds(10));  // a job that lasts a while
  for (auto& word : t.words) word += std::to_string(t.number);
  t.number *= 2;
  return t;
}

bool is_right(std::uint32_t n, const task& t) { return t.number == 2 * n && t.words.at(1) == "b" + std::to_string(n); }

}  // namespace

int main(int argc, char** argv) {
  pp::init(argc, argv);
  pp::options options;
  options.local = 0;
  pp::client client(options);
  if (!client.wait_for_nodes(2, std::chrono::seconds(60))) {
    std::fprintf(stderr, "two nodes were not found\n%s", client.discovery().text().c_str());
    return 2;
  }
  constexpr std::uint32_t count = 600;
  std::vector<pp::future<task>> futures;
  for (std::uint32_t i = 0; i < count; ++i) futures.push_back(client.submit(work, task{i, {"a", "b"}}));
  std::map<std::string, int> by_node;
  int right = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (i == count / 2) std::fprintf(stderr, "half\n");
    ++by_node[futures[i].node()];
    right += is_right(i, futures[i].get()) ? 1 : 0;
  }
  for (const auto& [node, jobs] : by_node) std::printf("%s %d\n", node.c_str(), jobs);
  std::printf("right %d rescheduled %llu\n", right, static_cast<unsigned long long>(client.stats().rescheduled));
  return right == static_cast<int>(count) ? 0 : 1;
}
