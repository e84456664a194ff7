/// What became of one element of client::try_map: a value or an error.
///
/// Threads: a plain value.
#pragma once

#include <optional>
#include <utility>

#include "pp/error.hpp"

namespace pp {

/// A value of type R, or the error that stands in its place.
template <class R>
class outcome {
 public:
  /// For try_map(), as the other one.
  explicit outcome(R value) : value_(std::move(value)) {}
  explicit outcome(pp::error why) : error_(std::move(why)) {}  ///< an error

  /// True if there is a value.
  bool has_value() const noexcept { return value_.has_value(); }
  /// The same: `if (outcome)`.
  explicit operator bool() const noexcept { return has_value(); }

  /// Throws: pp::job_error if the function threw or its worker died, pp::error for everything else.
  R& value() & { return check(), *value_; }
  /// The same.
  const R& value() const& { return check(), *value_; }
  /// The same, to be moved from.
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
  outcome() = default;                                         ///< success
  explicit outcome(pp::error why) : error_(std::move(why)) {}  ///< an error
  /// True if there is no error.
  bool has_value() const noexcept { return !error_.has_value(); }
  /// The same.
  explicit operator bool() const noexcept { return has_value(); }
  /// Throws the error, if there is one.
  void value() const {
    if (error_) outcome<bool>(*error_).value();
  }
  /// Requires: !has_value().
  const pp::error& error() const { return *error_; }

 private:
  std::optional<pp::error> error_;
};

}  // namespace pp
