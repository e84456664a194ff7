// Round trips and refusals that the golden files do not show; truncation and bit flips are in tests/golden.
#include "wire/message.hpp"

#include "wire/terms.hpp"

#include <gtest/gtest.h>

namespace pp::wire {
namespace {

template <class T>
T round_trip(const T& m, void (*encode)(const T&, bytes&), result<T> (*decode)(byte_view)) {
  bytes payload;
  encode(m, payload);
  return decode(payload).value();
}

TEST(Messages, RoundTripAtTheirExtremes) {
  const welcome w{65535, ~0U,       ~0U,    ~0U, ~0ULL, 65535, 255, 255, std::string(65535, 'n'),
                  "",    "\xff\0x", "2.36", "3", "1"};
  EXPECT_EQ(round_trip(w, encode_welcome, decode_welcome), w);
  EXPECT_EQ(round_trip({INT32_MIN}, encode_credit, decode_credit), credit{INT32_MIN});
  EXPECT_EQ(round_trip({INT32_MAX}, encode_credit, decode_credit), credit{INT32_MAX});
  EXPECT_EQ(round_trip({7, {}}, encode_image, decode_image), (image{7, {}}));
  const need n{~0U, std::vector<std::uint16_t>(65535, 3)};
  EXPECT_EQ(round_trip(n, encode_need, decode_need), n);
  EXPECT_EQ(round_trip({1, ""}, encode_unfit, decode_unfit), (unfit{1, ""}));
  const failure f{65535, 65535, "t", std::string(1000, 'w'), ~0U, ~0U, ~0ULL, {{"", ""}, {"a", "b"}}, {0, ~0ULL}};
  EXPECT_EQ(round_trip(f, encode_failure, decode_failure), f);
  const goodbye g{3, ~0U, "x"};
  EXPECT_EQ(round_trip(g, encode_goodbye, decode_goodbye), g);
}

TEST(Messages, EncodingAppends) {
  bytes payload = {0xaa};
  encode_ping({1}, payload);
  EXPECT_EQ(to_hex(payload), "aa0000000000000001");
}

TEST(NeedDecode, CountAndBytesMustAgree) {
  EXPECT_FALSE(decode_need(from_hex("00000001ffff0001"))) << "65,535 modules promised, one sent";
  EXPECT_FALSE(decode_need(from_hex("0000000100010001000200")));
}

TEST(ChunkDecode, RawLengthIsWhatTheBytesAre) {
  bytes payload;
  const bytes data = {1, 2, 3};
  encode_chunk({1, 2, 3, 4, false, data}, payload);
  EXPECT_FALSE(decode_chunk(payload));
}

TEST(ChunkDecode, RejectsMoreThanOneMebibyteUnpacked) {
  const bytes data = {1, 2, 3};
  for (const auto& [size, good] : {std::pair{max_chunk_bytes, true}, {max_chunk_bytes + 1, false}}) {
    bytes payload;
    encode_chunk({1, 2, 3, size, true, data}, payload);
    EXPECT_EQ(decode_chunk(payload).has_value(), good) << size;
  }
}

TEST(ResultDecode, RejectsCreditAboveThreeAndUnknownFlags) {
  EXPECT_TRUE(decode_result(from_hex("0200000000000000")));
  EXPECT_FALSE(decode_result(from_hex("0400000000000000")));
  EXPECT_FALSE(decode_result(from_hex("0102000000000000")));
}

TEST(ResultDecode, OutputLengthsBeyondTheEndAreRefused) {
  bytes payload(result_head::size);
  encode_result_head({1, result_head::flag_output, 0, 0}, payload.data());
  const bytes printed = {1, 2, 3};
  encode_output({0, 0, printed, printed}, payload);
  ASSERT_TRUE(decode_result(payload));
  payload[result_head::size] = 0xff;  // claims four billion bytes of stdout
  EXPECT_FALSE(decode_result(payload));
}

TEST(ResultDecode, PartsLieInThePayload) {
  bytes payload(result_head::size);
  encode_result_head({2, result_head::flag_output, 16, 5}, payload.data());
  const bytes out = {1}, err = {2, 3};
  encode_output({7, 8, out, err}, payload);
  payload.push_back(9);
  const auto parts = decode_result(payload).value();
  EXPECT_EQ(parts.head, (result_head{2, result_head::flag_output, 16, 5}));
  EXPECT_EQ(to_hex(parts.printed.out), "01");
  EXPECT_EQ(to_hex(parts.printed.err), "0203");
  EXPECT_EQ(parts.printed.out_dropped, 7U);
  EXPECT_EQ(parts.printed.err_dropped, 8U);
  EXPECT_EQ(parts.body.data(), &payload.back());
}

TEST(SubmitDecode, NeedsItsWholeFixedPart) {
  bytes payload(submit::size);
  EXPECT_TRUE(decode_submit(payload));
  payload.pop_back();
  EXPECT_FALSE(decode_submit(payload));
}

TEST(SubmitDecode, TermsMustBeThereInFullAndBounded) {
  bytes payload(submit::size + 10);
  submit head;
  head.terms_bytes = 10;
  encode_submit(head, payload.data());
  EXPECT_EQ(terms_of(*decode_submit(payload), payload).size(), 10U);
  EXPECT_TRUE(arguments_of(*decode_submit(payload), payload).empty());
  head.terms_bytes = 11;
  encode_submit(head, payload.data());
  EXPECT_FALSE(decode_submit(payload));
  payload.resize(submit::size + max_terms_bytes + 1);
  head.terms_bytes = max_terms_bytes + 1;
  encode_submit(head, payload.data());
  EXPECT_FALSE(decode_submit(payload));
}

TEST(FailureDecode, CausesAndStackAreBounded) {
  failure f;
  f.causes.assign(max_causes + 1, {"t", std::string(max_cause_text + 1, 'x')});
  f.stack.assign(max_stack + 1, 42);
  bytes payload;
  encode_failure(f, payload);
  const auto back = decode_failure(payload).value();
  ASSERT_EQ(back.causes.size(), max_causes);
  EXPECT_EQ(back.causes.front().what.size(), max_cause_text);
  EXPECT_EQ(back.stack.size(), max_stack);
}

TEST(FailureDecode, ACauseWithoutItsTextIsRefused) {
  failure f;
  f.causes = {{"type", "what"}};
  bytes payload;
  encode_failure(f, payload);
  for (auto& byte : payload) {
    if (byte == 'w') byte = 0;  // "type\0\0hat\0": three texts
  }
  EXPECT_FALSE(decode_failure(payload));
}

TEST(CancelDecode, KnowsTwoReasons) {
  EXPECT_EQ(decode_cancel(bytes{0})->why, cancel_reason::recall);
  EXPECT_EQ(decode_cancel(bytes{1})->why, cancel_reason::cancel);
  EXPECT_FALSE(decode_cancel(bytes{2}));
}

}  // namespace
}  // namespace pp::wire
