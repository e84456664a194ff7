#include "ppclient/journal.hpp"

#include <sqlite3.h>

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pp/error.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/wait.hpp"

namespace pp::ppclient {
namespace {

using ::testing::HasSubstr;

bytes as_bytes(const std::string& text) { return {text.begin(), text.end()}; }

class Journal : public ::testing::Test {
 protected:
  auth::digest key(journal& j, const std::string& arguments, code::location function = 7) {
    return j.key_of(program, 5, function, as_bytes(arguments));
  }
  std::string refusal() {
    try {
      journal j(file);
    } catch (const error& e) {
      EXPECT_EQ(e.code(), errc::bad_option);
      return e.what();
    }
    return "";
  }

  test::temporary_directory directory;
  const std::string file = (directory.path() / "journal").string();
  const bytes program = as_bytes("program");
};

TEST_F(Journal, GivesBackWhatWasStoredInTheRunBefore) {
  {
    journal j(file);
    const auto a = key(j, "a"), b = key(j, "b");
    EXPECT_FALSE(j.find(a));
    j.store(a, {as_bytes("value"), "printed", "warned"});
    j.store(b, {});
  }
  journal j(file);
  const auto found = j.find(key(j, "a"));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->value, as_bytes("value"));
  EXPECT_EQ(found->out, "printed");
  EXPECT_EQ(found->err, "warned");
  const auto empty = j.find(key(j, "b"));
  ASSERT_TRUE(empty);
  EXPECT_TRUE(empty->value.empty());
  EXPECT_EQ(j.hits(), 2U);
  EXPECT_EQ(j.errors(), 0U);
}

TEST_F(Journal, TellsCallsApartByProgramFunctionArgumentsAndNumber) {
  journal j(file);
  std::vector<auth::digest> all{key(j, "a"),
                                key(j, "a"),
                                key(j, "b"),
                                key(j, "a", 8),
                                key(j, "", 7),
                                j.key_of(as_bytes("other"), 5, 7, as_bytes("a")),
                                j.key_of(program, 6, 7, as_bytes("a"))};
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t k = 0; k < i; ++k) EXPECT_NE(all[i], all[k]) << i << " and " << k;
  }
  journal next_run(directory.path() / "other");
  EXPECT_EQ(key(next_run, "a"), all[0]);
  EXPECT_EQ(key(next_run, "a"), all[1]) << "the second such call of a run is the second of every run";
}

TEST_F(Journal, WritesWithoutBeingClosed) {
  journal j(file);
  const auto k = key(j, "a");
  j.store(k, {as_bytes("value"), "", ""});
  // A copy of its files is what a killed process leaves.
  const auto copy = directory.path() / "copy";
  EXPECT_TRUE(test::wait_until([&] {
    std::filesystem::copy_file(file, copy, std::filesystem::copy_options::overwrite_existing);
    std::filesystem::copy_file(file + "-wal", copy.string() + "-wal",
                               std::filesystem::copy_options::overwrite_existing);
    return journal(copy.string()).find(k).has_value();
  }));
}

TEST_F(Journal, IsForOneClientAtATime) {
  journal j(file);
  EXPECT_THAT(refusal(), HasSubstr(file + " is in use by another client"));
}

TEST_F(Journal, RefusesWhatIsNone) {
  std::ofstream(file)
      << "something else that somebody wants to keep, and long enough not to be taken for an empty file\n";
  EXPECT_THAT(refusal(), HasSubstr("is no journal: name another file"));
}

TEST_F(Journal, RefusesAnotherProgramsDatabase) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite().open_v2(file.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr), SQLITE_OK);
  ASSERT_EQ(sqlite().exec(db, "CREATE TABLE mine (a)", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite().close(db);
  EXPECT_THAT(refusal(), HasSubstr("is another program's database"));
}

TEST_F(Journal, RefusesAnotherFormat) {
  { journal j(file); }
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite().open_v2(file.c_str(), &db, SQLITE_OPEN_READWRITE, nullptr), SQLITE_OK);
  ASSERT_EQ(sqlite().exec(db, "PRAGMA user_version=2", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite().close(db);
  EXPECT_THAT(refusal(), HasSubstr("has format 2, this version of pp writes 1"));
}

TEST_F(Journal, SaysWhatItCannotOpen) {
  const std::string nowhere = (directory.path() / "missing" / "journal").string();
  try {
    journal j(nowhere);
    FAIL() << "nothing was thrown";
  } catch (const error& e) {
    EXPECT_THAT(e.what(), HasSubstr("options.journal: " + nowhere + " cannot be opened"));
  }
}

TEST_F(Journal, WhatIsTooLargeIsNotKeptAndTheRestIs) {
  journal j(file);
  const auto small = key(j, "a"), large = key(j, "b");
  j.store(large, {bytes(900'000'001), "", ""});
  j.store(small, {as_bytes("value"), "", ""});
  j.close();
  EXPECT_EQ(j.errors(), 1U);
}

}  // namespace
}  // namespace pp::ppclient
