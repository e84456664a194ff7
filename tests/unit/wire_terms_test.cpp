#include "wire/terms.hpp"

#include <gtest/gtest.h>

namespace pp::wire {
namespace {

terms everything() {
  terms t;
  t.timeout_ms = 1;
  t.cpu_ms = 0xFFFFFFFF;
  t.memory = 1ULL << 40U;
  t.max_result = 7;
  t.priority = -100;
  t.at_most_once = t.drops_output = true;
  t.label = std::string(max_label, 'x');
  t.environment = {"A=1", "EMPTY=", "PATH=/bin=/usr/bin"};
  t.use = place_use::opens;
  t.place = 0x0123456789ABCDEF;
  t.initialiser = 0x0001000000001234;
  t.resources = {{"gpu", 1}, {"licence.cad", 65535}};
  return t;
}

bytes encoded(const terms& t) {
  bytes out;
  encode_terms(t, out);
  return out;
}

TEST(Terms, ComeBackAsTheyWere) {
  EXPECT_EQ(decode_terms(encoded(everything())).value(), everything());
  EXPECT_EQ(decode_terms(encoded({})).value(), terms{});
}

TEST(Terms, OfAJobWithoutAnyAreTheUsual) { EXPECT_EQ(decode_terms({}).value(), terms{}); }

TEST(Terms, EveryShorterTextIsRefused) {
  auto t = everything();
  t.initialiser = 0;  // of two added terms the first alone would do
  const auto whole = encoded(t);
  for (std::size_t size = 1; size < whole.size(); ++size)
    EXPECT_FALSE(decode_terms(byte_view(whole).first(size))) << size;
}

TEST(Terms, WhatFollowsThemIsRefused) {
  auto more = encoded(everything());
  more.push_back(0);
  EXPECT_FALSE(decode_terms(more));
}

TEST(Terms, UnknownFlagsAreRefused) {
  auto flagged = encoded({});
  flagged[25] = 8;
  EXPECT_FALSE(decode_terms(flagged));
}

TEST(Terms, VariablesNeedANameAndAValue) {
  for (const char* wrong : {"NAME", "=value", ""}) {
    terms t;
    t.environment = {wrong};
    EXPECT_FALSE(decode_terms(encoded(t))) << wrong;
  }
}

TEST(Terms, AddedOnesAreKnownAscendingAndNotEmpty) {
  const auto plain = encoded({});
  const auto with = [&](const bytes& added) {
    auto all = plain;
    all[25] = 4;
    all.insert(all.end(), added.begin(), added.end());
    return decode_terms(all).has_value();
  };
  const bytes initialiser = {1, 0, 8, 0, 1, 0, 0, 0, 0, 0, 9}, resources = {2, 0, 5, 0, 1, 0, 1, 'g'};
  const auto both = [](bytes first, const bytes& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
  };
  EXPECT_TRUE(with(initialiser));
  EXPECT_TRUE(with(resources));
  EXPECT_TRUE(with(both(initialiser, resources)));
  bytes values = {3, 0, 64};
  values.resize(3 + 64, 5);
  EXPECT_FALSE(with(values)) << "the same twice";
  values[3 + 32] = 6;
  EXPECT_TRUE(with(values));
  EXPECT_TRUE(with(both(resources, values)));
  values[3 + 32] = 4;
  EXPECT_FALSE(with(values)) << "not ascending";
  values.pop_back();
  values[2] = 63;
  EXPECT_FALSE(with(values)) << "not a whole number of them";
  EXPECT_FALSE(with({3, 0, 0}));
  EXPECT_FALSE(with({}));
  EXPECT_FALSE(with(both(resources, initialiser)));
  EXPECT_FALSE(with(both(initialiser, initialiser)));
  EXPECT_FALSE(with({0, 0, 0}));
  EXPECT_FALSE(with({1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_FALSE(with({39, 0, 1, 0}));
}

TEST(Terms, ResourcesHaveNamesInOrderAndCounts) {
  for (const std::vector<resource>& wrong : {std::vector<resource>{{"gpu", 0}},
                                             {{"", 1}},
                                             {{"GPU", 1}},
                                             {{"b", 1}, {"a", 1}},
                                             {{"a", 1}, {"a", 1}},
                                             {{std::string(33, 'x'), 1}}}) {
    terms t;
    t.resources = wrong;
    EXPECT_FALSE(decode_terms(encoded(t)));
  }
}

TEST(Terms, AnUnendedVariableIsRefused) {
  terms t;
  t.environment = {"A=1"};
  auto cut = encoded(t);
  cut.back() = 'x';
  EXPECT_FALSE(decode_terms(cut));
}

}  // namespace
}  // namespace pp::wire
