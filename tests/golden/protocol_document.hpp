// docs/protocol.md as a test reads it: its tables and its vectors.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/golden/golden_file.hpp"

namespace pp::test {

using table = std::vector<std::vector<std::string>>;  ///< rows of cells, without the headings

class protocol_document {
 public:
  protocol_document();

  /// The table below the heading `#### name` or `#### name (size)`; empty if the section has none.
  const table& layout(const std::string& name) const;
  bool has_layout(const std::string& name) const { return layouts_.contains(name); }
  /// The size in the heading, if it states one.
  std::optional<std::size_t> size_of(const std::string& name) const;
  /// The table whose first heading cell is `first`.
  const table& with_heading(const std::string& first) const;
  const std::map<std::string, std::string>& vectors() const { return vectors_; }

  /// What the document's tables make of `raw`: every field but zeros, in order. Throws std::runtime_error if they do
  /// not fit.
  field_list read(const std::vector<std::string>& layouts, byte_view raw) const;

 private:
  std::map<std::string, table> layouts_, headed_;
  std::map<std::string, std::size_t> sizes_;
  std::map<std::string, std::string> vectors_;
};

}  // namespace pp::test
