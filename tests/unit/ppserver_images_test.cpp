#include <gtest/gtest.h>
#include <zstd.h>

#include "tests/unit/ppserver_images_lab.hpp"

namespace pp::ppserver {
namespace {

using Images = images_fixture;

TEST_F(Images, AsksForWhatIsMissingAndHoldsTheJobsMeanwhile) {
  const program p({std::string(1000, 'a'), std::string(500, 'b')});
  images_.on_image(p.message(7));
  ASSERT_EQ(out_.needs.size(), 1U);
  EXPECT_EQ(out_.needs[0].index, 7U);
  EXPECT_EQ(out_.needs[0].modules, (std::vector<std::uint16_t>{0, 1}));
  images_.on_job(7, job(1));
  images_.on_job(7, job(2));
  images_.on_chunk(p.chunk(7, 0, 0, 600));
  images_.on_chunk(p.whole(7, 1));
  EXPECT_TRUE(out_.ran.empty());
  images_.on_chunk(p.chunk(7, 0, 600, 400));
  ASSERT_EQ(out_.ran.size(), 2U);
  EXPECT_EQ(out_.ran[0].second, 1U);
  EXPECT_EQ(out_.ran[1].second, 2U);
  images_.on_job(7, job(3));
  EXPECT_EQ(out_.ran.size(), 3U);
}

TEST_F(Images, RunsAtOnceWhatTheStoreHas) {
  const program p({std::string(1000, 'a')});
  images_.on_image(p.message(0));
  images_.on_chunk(p.whole(0, 0));
  recorder second;
  images other(store_, limit, second);
  other.on_image(p.message(4));
  other.on_job(4, job(9));
  EXPECT_TRUE(second.needs.empty());
  EXPECT_EQ(second.ran.size(), 1U);
}

TEST_F(Images, AsksOnlyOnceForWhatTwoImagesShare) {
  const std::string shared(800, 's');
  const program first({std::string(100, 'a'), shared}), second({std::string(200, 'b'), shared});
  images_.on_image(first.message(0));
  images_.on_image(second.message(1));
  ASSERT_EQ(out_.needs.size(), 2U);
  EXPECT_EQ(out_.needs[1].modules, std::vector<std::uint16_t>{0});
  images_.on_job(1, job(5));
  images_.on_chunk(second.whole(1, 0));
  EXPECT_TRUE(out_.ran.empty());
  images_.on_chunk(first.whole(0, 1));
  EXPECT_EQ(out_.ran.size(), 1U);
}

TEST_F(Images, UnpacksCompressedChunks) {
  const program p({std::string(50000, 'z')});
  images_.on_image(p.message(0));
  images_.on_job(0, job(1));
  std::string packed(ZSTD_compressBound(50000), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), p.modules[0].data(), 50000, 3));
  images_.on_chunk({0, 0, 0, 50000, true, as_bytes(packed)});
  EXPECT_EQ(out_.ran.size(), 1U);
}

TEST_F(Images, RefusesContentThatIsNotWhatWasAnnounced) {
  const program p({std::string(1000, 'a')});
  images_.on_image(p.message(0));
  images_.on_job(0, job(1, 3));
  const std::string other(1000, 'x');
  images_.on_chunk({0, 0, 0, 1000, false, as_bytes(other)});
  ASSERT_EQ(out_.unfits.size(), 1U);
  EXPECT_NE(out_.unfits[0].reason.find("damaged"), std::string::npos);
  EXPECT_EQ(out_.returned, (std::vector<std::pair<std::uint64_t, std::uint16_t>>{{1, 3}}));
  images_.on_job(0, job(2));
  EXPECT_EQ(out_.returned.size(), 2U) << "what still comes for it is given back";
  images_.on_chunk(p.whole(0, 0));
  EXPECT_TRUE(out_.ran.empty());
}

TEST_F(Images, AsksAgainInTheNameOfAnotherImageWhenTheFirstIsRefused) {
  const std::string shared(800, 's');
  const program first({std::string(100, 'a'), shared}), second({std::string(200, 'b'), shared});
  images_.on_image(first.message(0));
  images_.on_image(second.message(1));
  images_.on_chunk(first.chunk(0, 1, 0, 300));
  const std::string wrong(100, 'x');
  images_.on_chunk({0, 0, 0, 100, false, as_bytes(wrong)});
  ASSERT_EQ(out_.unfits.size(), 1U);
  ASSERT_EQ(out_.needs.size(), 3U);
  EXPECT_EQ(out_.needs[2].index, 1U);
  EXPECT_EQ(out_.needs[2].modules, std::vector<std::uint16_t>{1});
  images_.on_chunk(first.chunk(0, 1, 300, 500));  // was under way: belongs to nobody any more
  images_.on_chunk(second.whole(1, 0));
  images_.on_chunk(second.whole(1, 1));
  images_.on_job(1, job(1));
  EXPECT_EQ(out_.ran.size(), 1U);
}

TEST_F(Images, AsksAgainForContentThatWasDamagedOnDisk) {
  const program p({std::string(1000, 'a')});
  images_.on_image(p.message(0));
  images_.on_chunk(p.whole(0, 0));
  const auto file = directory_ / "cache" / to_hex(p.manifest.modules[0].content);
  ASSERT_TRUE(std::filesystem::exists(file));
  std::filesystem::remove(file);
  test::write_file(file, std::string(1000, 'x'), 0400);
  recorder second;
  images other(store_, limit, second);
  // The first image is still open: another program that contains the same module must read the damaged file.
  const program bigger({std::string(1000, 'a'), std::string(10, 'b')});
  other.on_image(bigger.message(0));
  other.on_chunk(bigger.whole(0, 1));
  other.on_job(0, job(1));
  ASSERT_EQ(second.needs.size(), 2U);
  EXPECT_EQ(second.needs[1].modules, std::vector<std::uint16_t>{0});
  other.on_chunk(bigger.whole(0, 0));
  EXPECT_EQ(second.ran.size(), 1U);
}

TEST_F(Images, TakesContentFromOthersWhenTheClientSaysSo) {
  const program p({std::string(1000, 'a')});
  const auto content = p.manifest.modules[0].content;
  images_.on_image(p.message(0));
  images_.on_job(0, job(1));
  images_.on_fetch_from({content, {wire::holder{}}});
  images_.on_fetch_from({content, {wire::holder{}}});
  ASSERT_EQ(out_.fetches.size(), 1U) << "once";
  images_.on_chunk(p.whole(0, 0));
  EXPECT_TRUE(out_.ran.empty()) << "the client was not asked for it";
  const auto incoming = store_.receive(content, 1000);
  incoming->append(0, as_bytes(p.modules[0]));
  ASSERT_FALSE(incoming->finish());
  images_.on_fetch_ended(out_.fetches[0].first, content, true);
  EXPECT_EQ(out_.ran.size(), 1U);
  EXPECT_EQ(out_.came, std::vector{content});
  EXPECT_TRUE(out_.found.empty());
}

TEST_F(Images, AskTheClientAgainAfterAFetchInVain) {
  const program p({std::string(500, 'b'), std::string(1000, 'a')});
  const auto content = p.manifest.modules[1].content;
  images_.on_image(p.message(3));
  images_.on_fetch_from({content, {wire::holder{}}});
  images_.on_fetch_ended(out_.fetches[0].first + 1, content, false);
  EXPECT_EQ(out_.needs.size(), 1U) << "that was another fetch";
  images_.on_fetch_ended(out_.fetches[0].first, content, false);
  ASSERT_EQ(out_.needs.size(), 2U);
  EXPECT_EQ(out_.needs[1].index, 3U);
  EXPECT_EQ(out_.needs[1].modules, std::vector<std::uint16_t>{1});
  images_.on_fetch_from({content, {wire::holder{}}});
  EXPECT_EQ(out_.fetches.size(), 1U) << "it is the client's to send now";
  images_.on_job(3, job(1));
  images_.on_chunk(p.whole(3, 0));
  images_.on_chunk(p.whole(3, 1));
  EXPECT_EQ(out_.ran.size(), 1U);
}

TEST_F(Images, PassOverAFetchOfWhatIsNotMissing) {
  const program p({std::string(1000, 'a')});
  images_.on_image(p.message(0));
  images_.on_chunk(p.chunk(0, 0, 0, 10));
  images_.on_fetch_from({p.manifest.modules[0].content, {wire::holder{}}});
  images_.on_fetch_from({auth::digest{9}, {wire::holder{}}});
  EXPECT_TRUE(out_.fetches.empty());
  images_.on_chunk(p.chunk(0, 0, 10, 990));
  recorder second;
  images other(store_, limit, second);
  other.on_image(p.message(0));
  EXPECT_EQ(second.found, std::vector{p.manifest.modules[0].content});
  EXPECT_TRUE(second.came.empty());
}

TEST_F(Images, RefusesAProgramLargerThanTheStoreInWords) {
  code::manifest huge;
  huge.modules.push_back({"huge", limit + 1, {}, {}});
  images_.on_image({0, code::encode_manifest(huge)});
  ASSERT_EQ(out_.unfits.size(), 1U);
  EXPECT_NE(out_.unfits[0].reason.find("--cache-size"), std::string::npos);
}

TEST_F(Images, TellsAnImageThatWorkersCannotRun) {
  const program p({std::string(1000, 'a')});
  images_.on_image(p.message(0));
  images_.on_chunk(p.whole(0, 0));
  images_.on_unfit(code::id_of(code::encode_manifest(p.manifest)), "illegal instruction");
  ASSERT_EQ(out_.unfits.size(), 1U);
  EXPECT_EQ(out_.unfits[0].reason, "illegal instruction");
  images_.on_job(0, job(1));
  EXPECT_EQ(out_.returned.size(), 1U);
}

TEST_F(Images, GivesHeldJobsBackWhenRecalledOrDrained) {
  const program p({std::string(1000, 'a')});
  images_.on_image(p.message(0));
  for (const std::uint64_t id : {1, 2, 3}) images_.on_job(0, job(id, 2));
  EXPECT_EQ(images_.take_back(2), 2);
  EXPECT_EQ(images_.take_back(2), std::nullopt);
  images_.give_back_all();
  EXPECT_EQ(out_.returned, (std::vector<std::pair<std::uint64_t, std::uint16_t>>{{1, 2}, {3, 2}}));
  images_.on_chunk(p.whole(0, 0));
  EXPECT_TRUE(out_.ran.empty());
}

TEST_F(Images, EndTheSessionOfWhoLies) {
  const program p({std::string(1000, 'a')});
  images_.on_image(p.message(0));
  EXPECT_THROW(images_.on_image(p.message(0)), error) << "the same index twice";
  EXPECT_THROW(images_.on_image({1, bytes(20)}), error) << "no manifest";
  EXPECT_THROW(images_.on_job(5, job(1)), error) << "an image that was never sent";
  EXPECT_THROW(images_.on_chunk(p.whole(5, 0)), error);
  EXPECT_THROW(images_.on_chunk({0, 1, 0, 4, false, as_bytes("abcd")}), error) << "a module it does not have";
  EXPECT_THROW(images_.on_chunk({0, 0, 998, 4, false, as_bytes("abcd")}), error) << "beyond the end";
  EXPECT_THROW(images_.on_chunk({0, 0, UINT64_MAX, 4, false, as_bytes("abcd")}), error);
  EXPECT_THROW(images_.on_chunk({0, 0, 0, 5, false, as_bytes("abcd")}), error) << "a wrong length";
  EXPECT_THROW(images_.on_chunk({0, 0, 0, 100, true, as_bytes("no zstd")}), error);
  EXPECT_THROW(images_.on_chunk({0, 0, 0, UINT32_MAX, true, as_bytes("abcd")}), error) << "a bomb";
  EXPECT_THROW(images_.on_chunk({0, 0, 10, 4, false, as_bytes("abcd")}), error) << "out of order";
}

TEST_F(Images, AreBoundedInNumber) {
  const program p({std::string(10, 'a')});
  for (std::uint32_t i = 0; i < images::max_images; ++i) images_.on_image(p.message(i));
  EXPECT_THROW(images_.on_image(p.message(images::max_images)), error);
}

}  // namespace
}  // namespace pp::ppserver
