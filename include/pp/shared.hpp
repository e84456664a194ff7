/// A value that travels to each node once, however many jobs use it: client.share(table) gives a handle, which is an argument
/// like any other.
///
/// Promises:      the value never changes. A node gets it with the first job that uses it, from the client or from a node that
///                has it, and keeps it in memory, mapped read-only by all its workers, until no handle and no job needs it.
/// Threads:       any, concurrently; one handle as one std::shared_ptr.
/// Must not know: clients, nodes.
#pragma once

#include <concepts>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "pp/detail/archive.hpp"
#include "pp/detail/shared_value.hpp"
#include "pp/detail/travel_checks.hpp"
#include "pp/error.hpp"

namespace pp {

/// A handle for a shared T: made by client::share, or received by a job as a parameter (`const pp::shared<T>&`). Copies stand for
/// the same value. When the last one is gone and no job that uses it is left, the value is freed everywhere.
///
/// It may be part of other arguments (a pair, a vector, a class with serialize), of another shared value, and of a job's result
/// as long as the caller keeps a handle. It can be given to several clients.
template <class T>
class shared {
  static_assert(std::is_same_v<T, std::remove_cvref_t<T>>, "pp: shared<T> wants a plain type");

  // Vectors of numbers, and std::string: what lies side by side.
  static constexpr bool has_elements = detail::flat_sequence<T>::value;

 public:
  /// No value.
  shared() noexcept = default;

  /// Whether there is a value.
  explicit operator bool() const noexcept { return value_ != nullptr; }

  /// The value, made from the bytes at the first call in a process (a worker decodes it once for all its jobs). It lives as long
  /// as some handle of the same process, in a worker also from job to job. Throws pp::error(errc::bad_option) if there is none,
  /// and what decoding throws.
  const T& get() const { return *static_cast<const T*>(detail::decoded(existing(), type(), &make).get()); }
  /// The same.
  const T& operator*() const { return get(); }
  /// The same.
  const T* operator->() const { return &get(); }

  /// The elements where they are mapped, without a copy in any process: a std::span<const E> of a std::vector<E> of numbers, a
  /// std::string_view of a std::string. Valid as long as some handle. Throws pp::error(errc::bad_option) if there is no value.
  auto view() const requires has_elements { return elements_of<typename T::value_type>(existing()); }

  /// Bytes that travel to a node, before compression; 0 if there is no value.
  std::uint64_t size_bytes() const noexcept { return value_ ? detail::name_of(*value_).size : 0; }

  /// Both stand for the same bytes, or for none.
  friend bool operator==(const shared& a, const shared& b) noexcept {
    if (!a.value_ || !b.value_) return !a.value_ && !b.value_;
    return detail::name_of(*a.value_).content == detail::name_of(*b.value_).content;
  }

  /// For cereal: only the value's name travels with a job.
  template <class Archive>
  void save(Archive& to) const {
    static_assert(std::is_same_v<Archive, detail::output_archive>,
                  "pp: a pp::shared can be saved as an argument of jobs only: save what get() gives instead");
    if (value_) detail::note_use(value_);
    const auto name = value_ ? detail::name_of(*value_) : detail::shared_name();
    to(name.content, name.size);
  }
  /// For cereal.
  template <class Archive>
  void load(Archive& from) {
    static_assert(std::is_same_v<Archive, detail::input_archive>,
                  "pp: a pp::shared can be loaded as an argument of jobs only");
    detail::shared_name name;
    from(name.content, name.size);
    value_ = name.size != 0 ? detail::find_shared(name) : nullptr;
  }

  /// What client::share does.
  static shared of(const T& value) {
    shared out;
    detail::shared_values uses;
    if constexpr (has_elements) {
      const auto* const first = reinterpret_cast<const std::uint8_t*>(value.data());
      const detail::shared_bytes all{first, value.size() * sizeof(typename T::value_type)};
      out.value_ = detail::share_bytes(all, detail::shared_form::elements, {});
    } else {
      detail::payload encoded;
      {
        const detail::use_scope noting(uses);
        detail::encode<T>(encoded, value);
      }
      out.value_ = detail::share_bytes({encoded.data(), encoded.size()}, detail::shared_form::encoded, std::move(uses));
    }
    return out;
  }

 private:
  detail::shared_value& existing() const {
    if (!value_) throw error(errc::bad_option, "pp: this pp::shared has no value: it is empty or was moved from");
    return *value_;
  }
  static const void* type() noexcept { return &detail::type_mark<T>; }

  template <class E>
  static auto elements_of(const detail::shared_value& value) {
    const auto all = detail::bytes_of(value, detail::shared_form::elements);
    const auto* const first = reinterpret_cast<const E*>(all.data);
    if constexpr (std::is_same_v<T, std::string>)
      return std::string_view(first, all.size);
    else
      return std::span<const E>(first, all.size / sizeof(E));
  }

  static std::shared_ptr<const void> make(const detail::shared_value& from) {
    if constexpr (has_elements) {
      const auto all = elements_of<typename T::value_type>(from);
      return std::make_shared<const T>(all.begin(), all.end());
    } else {
      const auto all = detail::bytes_of(from, detail::shared_form::encoded);
      return std::make_shared<const T>(detail::decode<T>(all.data, all.size));
    }
  }

  detail::shared_value_pointer value_;
};

}  // namespace pp
