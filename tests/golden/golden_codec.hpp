// What the codec makes of a golden file's bytes: its fields in the file's own words, and its own bytes for them.
#pragma once

#include <optional>

#include "tests/golden/golden_file.hpp"

namespace pp::test {

struct decoded {
  field_list fields;
  bytes encoded;
};

/// Empty if the codec refuses the bytes, or knows no message of that name.
std::optional<decoded> run_codec(const std::string& message, byte_view raw);

}  // namespace pp::test
