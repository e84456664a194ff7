// What tests of ppserver/images have in common: a store of their own, and an outlet that writes down.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "ppserver/images.hpp"
#include "tests/support/temporary_directory.hpp"

namespace pp::ppserver {

/// Writes down what would be sent and run.
struct recorder final : images::outlet {
  void send_need(const wire::need& m) override { needs.push_back(m); }
  void send_unfit(const wire::unfit& m) override { unfits.push_back(m); }
  void run(const std::shared_ptr<const code::launchable>& what, worker::pool_job job) override {
    ran.emplace_back(what->id, job.id);
    values.push_back(job.values);
  }
  void give_back(std::uint64_t job, std::uint16_t attempt) override { returned.emplace_back(job, attempt); }
  void refuse_job(std::uint64_t job, std::uint16_t, const std::string& reason) override {
    refused.emplace_back(job, reason);
  }
  void content_came(const auth::digest& content, std::uint64_t) override { came.push_back(content); }
  void content_found(const auth::digest& content, std::uint64_t) override { found.push_back(content); }
  void fetch(std::uint64_t number, const auth::digest& content, std::uint64_t, const std::vector<wire::holder>&,
             code::store::place where) override {
    fetches.emplace_back(number, content);
    places.push_back(where);
  }

  std::vector<auth::digest> came, found;
  std::vector<std::pair<std::uint64_t, auth::digest>> fetches;
  std::vector<wire::need> needs;
  std::vector<wire::unfit> unfits;
  std::vector<std::pair<code::image_id, std::uint64_t>> ran;
  std::vector<std::pair<std::uint64_t, std::uint16_t>> returned;
  std::vector<std::pair<std::uint64_t, std::string>> refused;
  std::vector<worker::value_list> values;  ///< of the jobs that ran
  std::vector<code::store::place> places;  ///< of the fetches
};

/// A program of these modules, each given by its content.
struct program {
  explicit program(const std::vector<std::string>& contents) : modules(contents) {
    for (std::size_t i = 0; i < contents.size(); ++i) {
      code::module_entry part;
      part.name = "module" + std::to_string(i);
      part.size = contents[i].size();
      part.content = auth::sha256(as_bytes(contents[i]));
      manifest.modules.push_back(part);
    }
  }
  wire::image message(std::uint32_t index) const { return {index, code::encode_manifest(manifest)}; }
  wire::chunk chunk(std::uint32_t index, std::uint16_t module, std::size_t from, std::size_t length) const {
    const auto part = as_bytes(modules[module]).subspan(from, length);
    return {index, module, from, static_cast<std::uint32_t>(length), false, part};
  }
  wire::chunk whole(std::uint32_t index, std::uint16_t module) const {
    return chunk(index, module, 0, modules[module].size());
  }

  std::vector<std::string> modules;
  code::manifest manifest;
};

inline worker::pool_job job(std::uint64_t id, std::uint16_t attempt = 1) {
  return {id, attempt, worker::job_bytes(byte_view(bytes(wire::submit::size)))};
}

class images_fixture : public testing::Test {
 protected:
  images_fixture() : store_({directory_ / "cache", limit}), images_(store_, limit, out_) {}

  static constexpr std::uint64_t limit = 1U << 20U;
  test::temporary_directory directory_;
  code::store store_;
  recorder out_;
  images images_;
};

}  // namespace pp::ppserver
