// Big-endian reading and writing over spans; a short read is a value, never an exception.
//
// Promises: reader never looks past its span; after the first short read every further read gives zero and ok() is false,
// so a decoder checks once at its end. writer appends and never fails but for memory.
// Must not know: what the bytes mean.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace pp {

using bytes = std::vector<std::uint8_t>;
using byte_view = std::span<const std::uint8_t>;
using mutable_byte_view = std::span<std::uint8_t>;

inline byte_view as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(byte_view view) { return {reinterpret_cast<const char*>(view.data()), view.size()}; }

/// A number with its bytes turned round where this machine is not big-endian. By builtin, because each message of a job has
/// a dozen numbers and compilers do not see through a loop.
template <class T>
inline T to_or_from_big_endian(T value) {
  static_assert(std::is_integral_v<T> && sizeof(T) <= 8);
  if constexpr (std::endian::native == std::endian::big || sizeof(T) == 1) {
    return value;
  } else if constexpr (sizeof(T) == 2) {
    return static_cast<T>(__builtin_bswap16(static_cast<std::uint16_t>(value)));
  } else if constexpr (sizeof(T) == 4) {
    return static_cast<T>(__builtin_bswap32(static_cast<std::uint32_t>(value)));
  } else {
    return static_cast<T>(__builtin_bswap64(static_cast<std::uint64_t>(value)));
  }
}

/// Stores all bytes, the most significant first.
template <class T>
inline void store_big_endian(std::uint8_t* to, T value) {
  const T turned = to_or_from_big_endian(value);
  std::memcpy(to, &turned, sizeof turned);
}
template <class T>
inline T load_big_endian(const std::uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return to_or_from_big_endian(value);
}

class reader {
 public:
  explicit reader(byte_view from) : rest_(from) {}

  bool ok() const { return ok_; }
  /// True when all bytes were read and none was missing: what a fixed message wants at its end.
  bool finished() const { return ok_ && rest_.empty(); }
  byte_view rest() const { return rest_; }

  std::uint8_t u8() { return number<std::uint8_t>(); }
  std::uint16_t u16() { return number<std::uint16_t>(); }
  std::uint32_t u32() { return number<std::uint32_t>(); }
  std::uint64_t u64() { return number<std::uint64_t>(); }
  std::int64_t i64() { return static_cast<std::int64_t>(number<std::uint64_t>()); }

  /// The next `size` bytes, or an empty view (and ok() false) if there are fewer.
  byte_view take(std::size_t size) {
    if (!ok_ || rest_.size() < size) {
      ok_ = false;
      return {};
    }
    const byte_view got = rest_.first(size);
    rest_ = rest_.subspan(size);
    return got;
  }
  template <std::size_t N>
  std::array<std::uint8_t, N> array() {
    std::array<std::uint8_t, N> out{};
    const byte_view got = take(N);
    if (got.size() == N) std::memcpy(out.data(), got.data(), N);
    return out;
  }
  /// A text of at most 65,535 bytes behind its u16 length.
  std::string text() {
    const auto size = u16();
    return std::string(as_text(take(size)));
  }

 private:
  template <class T>
  T number() {
    const byte_view got = take(sizeof(T));
    return got.size() == sizeof(T) ? load_big_endian<T>(got.data()) : T{};
  }

  byte_view rest_;
  bool ok_ = true;
};

class writer {
 public:
  explicit writer(bytes& to) : to_(to) {}

  void u8(std::uint8_t v) { to_.push_back(v); }
  void u16(std::uint16_t v) { number(v); }
  void u32(std::uint32_t v) { number(v); }
  void u64(std::uint64_t v) { number(v); }
  void i64(std::int64_t v) { number(static_cast<std::uint64_t>(v)); }
  void raw(byte_view v) { to_.insert(to_.end(), v.begin(), v.end()); }
  /// Cut at 65,535 bytes.
  void text(std::string_view v) {
    v = v.substr(0, 65535);
    u16(static_cast<std::uint16_t>(v.size()));
    raw(as_bytes(v));
  }

 private:
  template <class T>
  void number(T v) {
    std::array<std::uint8_t, sizeof(T)> b{};
    store_big_endian(b.data(), v);
    raw(b);
  }

  bytes& to_;
};

/// Lower-case hexadecimal digits.
std::string to_hex(byte_view from);
/// The bytes of hexadecimal digits; empty if `text` is not hexadecimal or has an odd length.
bytes from_hex(std::string_view text);

}  // namespace pp
