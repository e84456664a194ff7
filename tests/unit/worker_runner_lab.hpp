// The worker's loop on a thread of the test, which is its node: jobs go in and answers come out over a socket pair.
#pragma once

#include "worker/runner.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "pp/detail/callable.hpp"
#include "worker/worker_pipe.hpp"

namespace pp::worker {

/// Locations are made up here: module 0, offset = a number given out in order.
class table_lookup final : public code_lookup {
 public:
  std::string open(byte_view manifest) override { return std::string(as_text(manifest)); }
  const void* address_of(code::location l) const override {
    const std::lock_guard lock(mutex_);
    const auto found = places_.find(l);
    return found == places_.end() ? nullptr : found->second;
  }
  code::location locate(const void* address) {
    if (address == nullptr) return code::no_location;
    const std::lock_guard lock(mutex_);
    for (const auto& [where, what] : places_) {
      if (what == address) return where;
    }
    const code::location l = code::make_location(0, places_.size() + 1);
    places_[l] = address;
    return l;
  }

 private:
  mutable std::mutex mutex_;  // the test writes while the runner's thread reads
  std::map<code::location, const void*> places_;
};

struct answer {
  wire::frame_header head;
  bytes payload;

  wire::result_parts parts() const {
    const auto decoded = wire::decode_result(payload);
    EXPECT_TRUE(decoded.has_value());
    return decoded ? *decoded : wire::result_parts{};
  }
  wire::failure failure() const {
    const auto decoded = wire::decode_failure(parts().body);
    EXPECT_TRUE(decoded.has_value());
    return decoded ? *decoded : wire::failure{};
  }
  template <class R>
  R value() const {
    EXPECT_EQ(parts().head.code, wire::code_value);
    return detail::decode_value<R>(parts().body.data(), parts().body.size());
  }
};

class Runner : public ::testing::Test {
 protected:
  void SetUp() override {
    int ends[2], out[2], err[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    ASSERT_EQ(::pipe2(out, O_CLOEXEC), 0);
    ASSERT_EQ(::pipe2(err, O_CLOEXEC), 0);
    out_.reset(out[1]);
    err_.reset(err[1]);
    node_ = std::make_unique<worker_pipe>(code::descriptor(::fcntl(ends[0], F_DUPFD_CLOEXEC, 0)));
    node_end_.reset(ends[0]);
    capture_.emplace(control_.page(), code::descriptor(out[0]), code::descriptor(err[0]));
    worker_ = std::thread([this, end = ends[1]] {
      worker_pipe pipe{code::descriptor(end)};
      runner(pipe, control_, *capture_, lookup_).run();
    });
  }
  void TearDown() override {
    ::shutdown(node_end_.get(), SHUT_RDWR);
    worker_.join();
  }

  bool send(wire::message_type type, byte_view payload, std::uint64_t job = 0) {
    return node_->write({0, type, 0, static_cast<std::uint16_t>(job != 0 ? 1 : 0), job}, {payload});
  }
  void send_image(const std::string& manifest = "") {
    bytes m;
    wire::encode_image({0, bytes(manifest.begin(), manifest.end())}, m);
    send(wire::message_type::image, m);
  }
  void open() {
    send_image();
    ASSERT_EQ(receive().head.type, wire::message_type::ready);
  }
  void submit_raw(byte_view payload) {
    control_.set(next_, claim::queued);
    send(wire::message_type::submit, payload, ++next_);
  }
  template <class F, class... Args>
  void submit(F&& f, Args&&... args) {
    detail::payload arguments;
    const auto code = detail::prepare(std::forward<F>(f), arguments, std::forward<Args>(args)...);
    const auto function =
        code.virtual_offset != 0 ? code::virtual_marker << 48U | code.virtual_offset : lookup_.locate(code.function);
    const code::location decoder = lookup_.locate(reinterpret_cast<const void*>(code.decoder));
    bytes payload(wire::submit::size);
    wire::encode_submit({0, decoder, function, 0}, payload.data());
    payload.insert(payload.end(), arguments.data(), arguments.data() + arguments.size());
    submit_raw(payload);
  }
  /// A call of `f` before which `initialiser` is to be run.
  void submit_with(void (*initialiser)(), int (*f)()) {
    detail::payload arguments;
    const auto code = detail::prepare(f, arguments);
    wire::terms t;
    t.initialiser =
        initialiser != nullptr ? lookup_.locate(reinterpret_cast<const void*>(initialiser)) : code::make_location(7, 7);
    bytes terms, payload(wire::submit::size);
    wire::encode_terms(t, terms);
    wire::encode_submit({0, lookup_.locate(reinterpret_cast<const void*>(code.decoder)), lookup_.locate(code.function),
                         static_cast<std::uint32_t>(terms.size())},
                        payload.data());
    payload.insert(payload.end(), terms.begin(), terms.end());
    payload.insert(payload.end(), arguments.data(), arguments.data() + arguments.size());
    submit_raw(payload);
  }
  answer receive() {
    pipe_message m;
    if (!node_->read(m)) return {};
    return {m.head, bytes(m.payload.begin(), m.payload.end())};
  }
  bool is_closed() {
    pipe_message m;
    return !node_->read(m);
  }

  control_mapping control_ = control_mapping::create();
  table_lookup lookup_;
  code::descriptor node_end_, out_, err_;
  std::unique_ptr<worker_pipe> node_;
  std::optional<output_capture> capture_;
  std::thread worker_;
  std::uint64_t next_ = 0;
};

}  // namespace pp::worker
