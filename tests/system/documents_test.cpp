// The snippets of docs/guide.md and docs/coming-from.md, each run on a node: they print what the document says they print.
//
// tests/docs/cut takes the programs and their output out of the documents, so that these are the only source of both.
#include <fstream>
#include <ostream>

#include <gtest/gtest.h>

#include "tests/support/cluster.hpp"

namespace pp::test {
namespace {

struct snippet {
  std::string document, name;
  unsigned runs = 0;  ///< how often it is run: for each its output is known
};
void PrintTo(const snippet& s, std::ostream* to) { *to << s.name; }

std::vector<snippet> snippets_of(const std::string& document) {
  std::vector<snippet> found;
  std::ifstream list(std::string(PP_SNIPPETS) + "/" + document + "/units");
  for (snippet s{document, "", 0}; list >> s.name >> s.runs;) found.push_back(s);
  return found;
}

std::vector<snippet> all_snippets() {
  auto all = snippets_of("guide");
  for (auto& s : snippets_of("coming-from")) all.push_back(s);
  return all;
}

/// True if `text` is `pattern`, in which "…" stands for anything.
bool matches(std::string_view text, std::string_view pattern) {
  static constexpr std::string_view anything = "…";
  const auto mark = pattern.find(anything);
  if (mark == std::string_view::npos) return text == pattern;
  if (text.substr(0, mark) != pattern.substr(0, mark)) return false;
  pattern.remove_prefix(mark + anything.size());
  for (text.remove_prefix(mark);; text.remove_prefix(1)) {
    if (matches(text, pattern)) return true;
    if (text.empty()) return false;
  }
}

class Documents : public ::testing::TestWithParam<snippet> {
 protected:
  void SetUp() override {
    node_ = c.start_node("alpha");
    c.set("PP_LOCAL_WORKERS", "0");
  }
  finished_process run() {
    const auto& s = GetParam();
    return run_program(
        c.command({"env", "-C", c.directory().string(), std::string(PP_SNIPPETS) + "/doc_snippets", s.name}));
  }

  cluster c;
  std::unique_ptr<node> node_;
};

TEST_P(Documents, SnippetsPrintWhatTheySay) {
  const auto& s = GetParam();
  ASSERT_GT(s.runs, 0U) << "no ```text block says what " << s.name << " prints";
  for (unsigned i = 1; i <= s.runs; ++i) {
    const auto expected =
        read_file(std::string(PP_SNIPPETS) + "/" + s.document + "/" + s.name + "." + std::to_string(i) + ".out");
    const auto ran = run();
    EXPECT_EQ(ran.end, (exit_state{0, 0})) << ran.err;
    EXPECT_TRUE(matches(ran.out, expected)) << "run " << i << " printed\n"
                                            << ran.out << "and the document says\n"
                                            << expected << ran.err;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Documents, ::testing::ValuesIn(all_snippets()),
                         [](const auto& of) { return of.param.name; });

}  // namespace
}  // namespace pp::test
