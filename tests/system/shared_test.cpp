// Values of client::share in real jobs: on a node and in local workers, in all places where a handle can stand, and what becomes
// of them when handles, workers, nodes and clients go.
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <cereal/types/map.hpp>

#include "tests/support/wait.hpp"
#include "tests/system/on_node_or_local.hpp"

namespace pp::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using table = std::vector<std::uint32_t>;

table random_table(std::size_t count, unsigned seed = 1) {
  std::mt19937 from(seed);
  table out(count);
  std::generate(out.begin(), out.end(), from);
  return out;
}

std::uint32_t element(const pp::shared<table>& from, std::size_t at) { return from.view()[at]; }
std::uint64_t total(const pp::shared<table>& from) {
  return std::accumulate(from.get().begin(), from.get().end(), std::uint64_t{0});
}

/// Counts how often it was decoded in this process.
struct dictionary {
  std::map<std::string, int> words;
  template <class Archive>
  void save(Archive& to) const {
    to(words);
  }
  template <class Archive>
  void load(Archive& from) {
    ++times_loaded;
    from(words);
  }
  static inline int times_loaded = 0;
};
std::pair<int, int> look_up(const pp::shared<dictionary>& in, const std::string& word) {
  const int found = in->words.at(word);
  return {found, dictionary::times_loaded};
}

struct adder {
  pp::shared<table> numbers;
  std::uint32_t operator()(std::size_t at) const { return numbers.view()[at] + 1; }
  template <class Archive>
  void serialize(Archive& with) {
    with(numbers);
  }
};

std::uint64_t total_of_all(const std::vector<pp::shared<table>>& all) {
  std::uint64_t sum = 0;
  for (const auto& one : all) sum += total(one);
  return sum;
}

/// A value that names others.
struct shelf {
  std::string label;
  std::map<int, pp::shared<table>> tables;
  template <class Archive>
  void serialize(Archive& with) {
    with(label, tables);
  }
};
std::uint64_t total_on(const pp::shared<shelf>& from, int number) { return total(from->tables.at(number)); }

pp::shared<table> give_back(const pp::shared<table>& same, int) { return same; }
std::size_t length(const pp::shared<std::string>& of) { return of.view().size() + of->size(); }
bool is_there(const pp::shared<table>& what) { return static_cast<bool>(what); }
void die_with(const pp::shared<table>&) { ::kill(::getpid(), SIGKILL); }
std::uint32_t element_slowly(const pp::shared<table>& from, std::size_t at) {
  spend(300ms);
  return from.view()[at];
}
int my_pid() { return ::getpid(); }

/// How many shared values this process has mapped: they are called otherwise in a node than in a client.
int count_mapped(int pid) {
  std::ifstream maps("/proc/" + std::to_string(pid) + "/maps");
  int count = 0;
  for (std::string line; std::getline(maps, line);) {
    const bool is_value = line.find("memfd:pp-content") != line.npos || line.find("memfd:pp-shared") != line.npos;
    count += is_value ? 1 : 0;
  }
  return count;
}
/// How many memory files of values it has open.
int count_open(int pid) {
  int count = 0;
  for (const auto& fd : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
    std::error_code ignored;
    const auto target = std::filesystem::read_symlink(fd, ignored).string();
    count += target.find("memfd:pp-content") != std::string::npos ? 1 : 0;
  }
  return count;
}

class SharedValues : public on_node_or_local {};

TEST_P(SharedValues, AreArgumentsOfAnyNumberOfJobs) {
  start(2);
  const auto numbers = random_table(100'000);
  const auto handle = client->share(numbers);
  std::vector<pp::future<std::uint32_t>> jobs;
  for (std::size_t i = 0; i < 500; ++i) jobs.push_back(client->submit(element, handle, 7 * i));
  for (std::size_t i = 0; i < jobs.size(); ++i) EXPECT_EQ(jobs[i].get(), numbers[7 * i]);
  EXPECT_EQ(client->submit(total, handle).get(), total(handle));
  if (is_on_node()) {
    const auto sent = find_node(*client, "node-a").shared_bytes_sent;
    EXPECT_GT(sent, 390'000U);
    EXPECT_LT(sent, 420'000U) << "once";
  }
}

TEST_P(SharedValues, OfAnyTypeAreDecodedOncePerWorker) {
  start(1);
  const auto words = client->share(dictionary{{{"one", 1}, {"two", 2}}});
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(client->submit(look_up, words, "two").get(), std::pair(2, 1));
    EXPECT_EQ(client->submit(look_up, words, "one").get(), std::pair(1, 1));
  }
}

TEST_P(SharedValues, AreTextsEmptyOnesAndNothing) {
  start(1);
  EXPECT_EQ(client->submit(length, client->share(std::string(5000, 'x'))).get(), 10'000U);
  EXPECT_EQ(client->submit(length, client->share(std::string())).get(), 0U);
  EXPECT_EQ(client->submit(total, client->share(table())).get(), 0U);
  EXPECT_FALSE(client->submit(is_there, pp::shared<table>()).get());
  EXPECT_THROW(client->submit(total, pp::shared<table>()).get(), job_error);
}

TEST_P(SharedValues, CanBeAnywhereInArguments) {
  start(2);
  const auto a = client->share(random_table(1000, 1)), b = client->share(random_table(1000, 2));
  EXPECT_EQ(client->submit(total_of_all, std::vector{a, b, a}).get(), 2 * total(a) + total(b));
  const auto on_shelf = client->share(shelf{"s", {{1, a}, {2, b}}});
  EXPECT_EQ(client->submit(total_on, on_shelf, 2).get(), total(b));
  // In a map: the function object's own, for all chunks.
  std::vector<std::size_t> places(300);
  std::iota(places.begin(), places.end(), 0U);
  const auto got = client->map(adder{a}, places, {.chunk = 10});
  for (std::size_t i = 0; i < places.size(); ++i) EXPECT_EQ(got[i], a.view()[i] + 1);
  // As the elements of a map.
  EXPECT_EQ(client->map(total, std::vector{a, b}), (std::vector{total(a), total(b)}));
}

TEST_P(SharedValues, AreGivenToCheckedOutWorkersAndBroadcasts) {
  start(1);
  const auto a = client->share(random_table(1000));
  for (auto& [name, sum] : client->broadcast(total, a)) EXPECT_EQ(sum.get(), total(a)) << name;
  auto worker = client->checkout(generous);
  EXPECT_EQ(worker.submit(total, a).get(), total(a));
}

TEST_P(SharedValues, NeedNoHandleOnceTheJobIsSubmitted) {
  start(1);
  const auto numbers = random_table(1000);
  auto job = client->submit(element_slowly, client->share(numbers), 5U);
  auto behind = client->submit(element_slowly, client->share(numbers), 6U);
  EXPECT_EQ(job.get(), numbers[5]);
  EXPECT_EQ(behind.get(), numbers[6]);
}

TEST_P(SharedValues, MayBeSharedAgainWhenTheJobsThatNamedThemWereCancelled) {
  start(1);
  const auto numbers = random_table(100'000);
  const auto sum = std::accumulate(numbers.begin(), numbers.end(), std::uint64_t{0});
  for (int i = 0; i < 30; ++i) {
    auto given_up = client->submit(total, client->share(numbers));
    given_up.cancel();
    if (i % 3 == 0) given_up.wait();
    EXPECT_EQ(client->submit(total, client->share(numbers)).get(), sum) << i;
  }
}

TEST_P(SharedValues, ComeBackAsHandlesOfWhatIsStillShared) {
  start(1);
  auto a = client->share(random_table(1000));
  EXPECT_EQ(client->submit(give_back, a, 1).get(), a);
  // And on to other jobs, by way of a future.
  EXPECT_EQ(client->submit(total, client->submit(give_back, a, 2)).get(), total(a));
  auto lost = client->submit(give_back, a, 3);
  lost.wait();
  a = {};
  try {
    lost.get();
    ADD_FAILURE() << "nobody kept it";
  } catch (const error& e) {
    EXPECT_THAT(e.what(), HasSubstr("keep its handle"));
  }
}

TEST_P(SharedValues, AreThereForTheWorkerThatReplacesADeadOne) {
  start(1);
  const auto a = client->share(random_table(1000));
  EXPECT_EQ(client->submit(total, a).get(), total(a));
  EXPECT_THROW(client->submit({.attempts = 1}, die_with, a).get(), job_error);
  EXPECT_EQ(client->submit(total, a).get(), total(a));
}

TEST_P(SharedValues, AreFreedWhenTheLastHandleGoes) {
  start(1);
  const int worker = client->submit(my_pid).get();
  auto a = client->share(random_table(100'000, 1));
  const auto b = client->share(random_table(1000, 2));
  const auto copy = std::make_unique<pp::shared<table>>(a);
  EXPECT_EQ(client->submit(total, a).get(), total(a));
  EXPECT_EQ(client->submit(total, b).get(), total(b));
  EXPECT_EQ(count_mapped(worker), 2);
  a = {};
  EXPECT_EQ(client->submit(element, *copy, 3U).get(), copy->view()[3]);
  *copy = {};
  EXPECT_TRUE(wait_until([&] { return count_mapped(worker) == 1; })) << "by a worker that has nothing to do";
  if (is_on_node()) {
    EXPECT_TRUE(wait_until([&] { return count_open(n->process().pid()) == 1; }));
  }
  EXPECT_EQ(client->submit(my_pid).get(), worker);
  // The same content again is sent again.
  a = client->share(random_table(100'000, 1));
  EXPECT_EQ(client->submit(total, a).get(), total(a));
  EXPECT_EQ(client->submit(total, b).get(), total(b));
}

INSTANTIATE_TEST_SUITE_P(Where, SharedValues, ::testing::Bool(), name_of_place);

TEST(SharedValuesOnNodes, MayBeManyInOneJobAndManyAtATime) {
  const cluster c;
  const auto a = c.start_node("node-a", 1);
  pp::client client(c.client_options());
  std::vector<pp::shared<table>> all;
  std::uint64_t sum = 0;
  for (unsigned i = 0; i < 1000; ++i) {
    all.push_back(client.share(random_table(10, i)));
    sum += total(all.back());
  }
  EXPECT_EQ(client.submit(total_of_all, all).get(), sum);
  all.push_back(client.share(random_table(10, 1000)));
  EXPECT_THROW(client.submit(total_of_all, all), error) << "more than one job may name";
}

// 256 MiB of noise, which no compression makes shorter.
TEST(SharedValuesOnNodes, ABigTableTravelsOnceToEachNodeAndOnceFromTheClient) {
  const cluster c;
  const auto a = c.start_node("node-a", 1), b = c.start_node("node-b", 1);
  pp::client client(c.client_options());
  ASSERT_TRUE(has_nodes(client, 2));
  constexpr std::size_t size = 256U << 20U;
  const auto numbers = client.share(random_table(size / sizeof(std::uint32_t)));
  std::vector<pp::future<std::uint32_t>> jobs;
  for (std::size_t i = 0; i < 1000; ++i)
    jobs.push_back(client.submit({.node = i % 2 == 0 ? "node-a" : "node-b"}, element, numbers, 60'000 * i));
  for (std::size_t i = 0; i < jobs.size(); ++i) EXPECT_EQ(jobs[i].get(), numbers.view()[60'000 * i]) << i;
  const auto to_a = find_node(client, "node-a"), to_b = find_node(client, "node-b");
  EXPECT_GE(to_a.shared_bytes_sent + to_b.shared_bytes_sent, size);
  EXPECT_LT(to_a.shared_bytes_sent + to_b.shared_bytes_sent, size + size / 100)
      << "the other node's came from the first";
  EXPECT_LT(to_a.bytes_sent + to_b.bytes_sent, size + size / 4) << "with programs and jobs";
}

TEST(SharedValuesOnNodes, GoToOtherNodesWithTheJobsOfOneThatDied) {
  const cluster c;
  const auto a = c.start_node("node-a", 1), b = c.start_node("node-b", 1);
  pp::client client(c.impatient_options());
  ASSERT_TRUE(has_nodes(client, 2));
  const auto numbers = client.share(random_table(1000));
  std::vector<pp::future<std::uint32_t>> jobs;
  for (std::size_t i = 0; i < 20; ++i) jobs.push_back(client.submit(element_slowly, numbers, i));
  jobs.front().wait();
  a->kill();
  for (std::size_t i = 0; i < jobs.size(); ++i) EXPECT_EQ(jobs[i].get(), numbers.view()[i]);
}

TEST(SharedValuesOnNodes, ThatCannotKeepThemSendTheJobElsewhereOrSayWhy) {
  const cluster c;
  // Room for this program, which is large where sanitizers are built in, but not for the value.
  const auto room = std::filesystem::file_size("/proc/self/exe") / 2 * 3 + (16U << 20U);
  node::parameters small;
  small.name = "node-a";
  small.extra = {"--cache-size", std::to_string(room)};
  const auto a = c.start_node(small);
  pp::client client(c.client_options());
  ASSERT_TRUE(has_nodes(client, 1));
  const auto big = client.share(table(room / sizeof(std::uint32_t) + 1, 7));
  try {
    client.submit(element, big, 0U).get();
    ADD_FAILURE() << "there is no room for it";
  } catch (const error& e) {
    EXPECT_EQ(e.code(), errc::unfit_node) << e.what();
    EXPECT_THAT(e.what(), HasSubstr("--cache-size"));
  }
  const auto b = c.start_node("node-b", 1);
  ASSERT_TRUE(has_nodes(client, 2));
  EXPECT_EQ(client.submit(element, big, 5U).get(), 7U);
  EXPECT_EQ(client.submit({.node = "node-a"}, my_pid).get() > 0, true) << "other jobs go on there";
}

TEST(SharedValuesOnNodes, LeaveNothingBehindWhenTheirClientGoes) {
  const cluster c;
  const auto a = c.start_node("node-a", 1);
  int worker = 0;
  {
    pp::client client(c.client_options());
    const auto numbers = client.share(random_table(1000));
    EXPECT_EQ(client.submit(total, numbers).get(), total(numbers));
    worker = client.submit(my_pid).get();
    EXPECT_EQ(count_mapped(worker), 1);
    EXPECT_EQ(count_open(a->process().pid()), 1);
  }
  EXPECT_TRUE(wait_until([&] { return count_open(a->process().pid()) == 0; }));
  EXPECT_TRUE(wait_until([&] { return count_mapped(worker) == 0; })) << "the worker is kept warm, the value is not";
}

TEST(SharedValuesOnNodes, ServeTwoClientsOfOneProgram) {
  const cluster c;
  const auto a = c.start_node("node-a", 1);
  pp::client one(c.client_options()), two(c.client_options());
  auto numbers = std::make_unique<pp::shared<table>>(one.share(random_table(100'000)));
  const auto sum = total(*numbers);
  EXPECT_EQ(one.submit(total, *numbers).get(), sum);
  EXPECT_EQ(two.submit(total, *numbers).get(), sum);
  EXPECT_EQ(find_node(two, "node-a").shared_bytes_sent, 0U) << "it was there";
  one.close();
  EXPECT_EQ(two.submit(total, *numbers).get(), sum);
}

TEST(SharedValuesOnNodes, AreInTheJournalByTheirContent) {
  const cluster c;
  const auto a = c.start_node("node-a", 1);
  auto o = c.client_options();
  o.journal = (c.directory() / "journal").string();
  for (int round = 0; round < 2; ++round) {
    pp::client client(o);
    const auto numbers = client.share(random_table(1000));
    EXPECT_EQ(client.submit(total, numbers).get(), total(numbers));
    EXPECT_EQ(client.stats().from_journal, round == 0 ? 0U : 1U);
  }
}

}  // namespace
}  // namespace pp::test
