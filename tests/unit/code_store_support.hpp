// What the tests of the store share: content with its hash, manifests of it, and looking at what came out.
#pragma once

#include <dlfcn.h>
#include <unistd.h>

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "code/modules.hpp"
#include "code/store.hpp"
#include "tests/support/temporary_directory.hpp"

namespace pp::code::store_test {

struct content {
  explicit content(std::string of) : text(std::move(of)), hash(auth::sha256(as_bytes(text))) {}
  std::string text;
  auth::digest hash;
};

inline store::options options_in(const test::temporary_directory& dir) {
  store::options o;
  o.directory = dir / "cache";
  return o;
}

inline std::filesystem::path file_of(const test::temporary_directory& dir, const content& c) {
  return dir / "cache" / to_hex(c.hash);
}

/// In two pieces where there is more than one byte.
inline std::error_code put(store& s, const content& c) {
  const auto in = s.receive(c.hash, c.text.size());
  const auto half = c.text.size() / 2;
  EXPECT_TRUE(in->append(0, as_bytes(c.text).first(half)));
  EXPECT_TRUE(in->append(half, as_bytes(c.text).subspan(half)));
  EXPECT_TRUE(in->complete());
  return in->finish();
}

inline manifest manifest_of(const std::vector<content>& parts) {
  manifest m;
  for (const auto& c : parts)
    m.modules.push_back({"module" + std::to_string(m.modules.size()), c.text.size(), c.hash, {}});
  return m;
}

inline std::shared_ptr<const launchable> open(store& s, const std::vector<content>& parts) {
  const auto m = manifest_of(parts);
  return s.open(m, encode_manifest(m));
}

/// Received and opened once, so that it may be evicted.
inline content used_content(store& s, char letter, std::size_t size) {
  content c(std::string(size, letter));
  EXPECT_EQ(put(s, c), std::error_code());
  static_cast<void>(open(s, {c}));
  return c;
}

inline std::string everything_in(int fd) {
  std::string out(1 << 16U, '\0');
  std::size_t have = 0;
  while (true) {
    const auto got = ::pread(fd, out.data() + have, out.size() - have, static_cast<off_t>(have));
    if (got <= 0) break;
    have += static_cast<std::size_t>(got);
    if (have == out.size()) out.resize(out.size() * 2);
  }
  out.resize(have);
  return out;
}

/// The error code of the pp::error that `what` throws.
template <class F>
std::error_code code_of(F&& what) {
  try {
    what();
  } catch (const error& e) {
    return e.code();
  }
  return {};
}
template <class F>
std::string words_of(F&& what) {
  try {
    what();
  } catch (const error& e) {
    return e.what();
  }
  return "no error";
}

inline std::vector<std::uint16_t> missing_of(store& s, const std::vector<content>& parts) {
  try {
    static_cast<void>(open(s, parts));
  } catch (const store::missing& e) {
    return e.modules();
  }
  return {};
}

inline std::string any_library_with_soname(const std::string& name) {
  for (const auto& m : loaded_modules()) {
    if (m.name == name) return test::read_file(m.path);
  }
  return {};
}

}  // namespace pp::code::store_test
