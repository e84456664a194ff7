/// What became of one element of client::try_map: a value or an error.
///
/// Threads: a plain value.
#pragma once

#include <optional>
#include <utility>

#include "pp/error.hpp"

namespace pp {

template <class R>
class outcome {
 public:
  explicit outcome(R value) : value_(std::move(value)) {}
  explicit outcome(pp::error why) : error_(std::move(why)) {}

  bool has_value() const noexcept { return value_.has_value(); }
  explicit operator bool() const noexcept { return has_value(); }

  /// Throws: pp::job_error if the function threw or its worker died, pp::error for everything else.
  R& value() & { return check(), *value_; }
  const R& value() const& { return check(), *value_; }
  R&& value() && { return check(), *std::move(value_); }

  /// Requires: !has_value(). error().job() tells what is known about the job; its `items` names the elements.
  const pp::error& error() const { return *error_; }

 private:
  void check() const {
    if (has_value()) return;
    const auto code = static_cast<errc>(error_->code().value());
    if (error_->code() == condition::job_failed && error_->job() != nullptr) throw job_error(code, *error_->job());
    throw *error_;
  }

  std::optional<R> value_;
  std::optional<pp::error> error_;
};

/// Of a function that returns nothing.
template <>
class outcome<void> {
 public:
  outcome() = default;
  explicit outcome(pp::error why) : error_(std::move(why)) {}
  bool has_value() const noexcept { return !error_.has_value(); }
  explicit operator bool() const noexcept { return has_value(); }
  void value() const {
    if (error_) outcome<bool>(*error_).value();
  }
  const pp::error& error() const { return *error_; }

 private:
  std::optional<pp::error> error_;
};

}  // namespace pp
