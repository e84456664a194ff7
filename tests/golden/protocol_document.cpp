#include "tests/golden/protocol_document.hpp"

#include <sstream>
#include <stdexcept>

namespace pp::test {
namespace {

const std::string heading_mark = "#### ";

std::vector<std::string> cells_of(std::string line) {
  // An escaped bar belongs to its cell.
  for (auto at = line.find("\\|"); at != std::string::npos; at = line.find("\\|")) line.replace(at, 2, "!");
  auto cells = split(line.substr(1), '|');
  return cells;
}

bool is_rule(const std::string& line) { return line.find_first_not_of("|-") == std::string::npos; }

/// Turns bytes into fields, row by row.
class table_reader {
 public:
  explicit table_reader(byte_view raw) : in_(raw), total_(raw.size()) {}

  void read(const table& rows) {
    const std::size_t start = total_ - in_.rest().size();
    for (const auto& row : rows) {
      const bool has_offset = row[0].find_first_not_of("0123456789") == std::string::npos;
      if (has_offset && std::stoul(row[0]) != total_ - in_.rest().size() - start)
        fail("the offset of " + row[2] + " is wrong");
      read_field(row[has_offset ? 1 : 0], row[has_offset ? 2 : 1]);
    }
  }
  field_list take() {
    if (!in_.finished()) fail("bytes are left over or missing");
    return std::move(fields_);
  }

 private:
  [[noreturn]] static void fail(const std::string& what) { throw std::runtime_error("docs/protocol.md: " + what); }

  std::size_t count_of(const std::string& type) const {
    const auto inside = type.substr(type.find('[') + 1, type.find(']') - type.find('[') - 1);
    if (inside.find_first_not_of("0123456789") == std::string::npos) return std::stoul(inside);
    for (auto field = fields_.rbegin(); field != fields_.rend(); ++field) {
      if (field->first == inside) return std::stoul(field->second);
    }
    fail("no field " + inside);
  }

  std::string value_of(const std::string& type) {
    if (type == "u8") return std::to_string(in_.u8());
    if (type == "u16") return std::to_string(in_.u16());
    if (type == "u32") return std::to_string(in_.u32());
    if (type == "u64") return std::to_string(in_.u64());
    if (type == "i32") return std::to_string(static_cast<std::int32_t>(in_.u32()));
    if (type == "i64") return std::to_string(in_.i64());
    if (type == "text") return in_.text();
    if (type == "rest") return to_hex(in_.take(in_.rest().size()));
    if (type.starts_with("u8[")) return to_hex(in_.take(count_of(type)));
    if (type.starts_with("u16[")) return list_of(count_of(type));
    fail("unknown type " + type);
  }

  std::string list_of(std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count && in_.ok(); ++i) out += (i == 0 ? "" : " ") + std::to_string(in_.u16());
    return out;
  }

  void read_field(const std::string& type, const std::string& name) {
    if (!type.starts_with("zero[")) {
      fields_.emplace_back(name, value_of(type));
      return;
    }
    for (const auto b : in_.take(count_of(type))) {
      if (b != 0) fail("a zero is not zero");
    }
  }

  reader in_;
  std::size_t total_;
  field_list fields_;
};

}  // namespace

protocol_document::protocol_document() {
  std::istringstream lines(read_whole(PP_SOURCE_DIR "/docs/protocol.md"));
  std::string section, first_cell;
  bool in_table = false, in_vectors = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("```")) {
      in_vectors = line == "```vectors";
    } else if (in_vectors) {
      const auto equals = line.find(" = ");
      vectors_[line.substr(0, equals)] = line.substr(equals + 3);
    } else if (line.starts_with("#")) {
      section = line.starts_with(heading_mark) ? line.substr(heading_mark.size()) : "";
      if (const auto open = section.find(" ("); open != std::string::npos) {
        const auto size = section.substr(open + 2);
        section.resize(open);
        sizes_[section] = std::stoul(size);
      }
      if (!section.empty()) layouts_[section];
    } else if (!line.starts_with("|")) {
      in_table = false;
    } else if (!in_table) {
      in_table = true;
      first_cell = cells_of(line).front();
    } else if (!is_rule(line)) {
      auto& to =
          section.empty() || first_cell == "code" || first_cell == "limit" ? headed_[first_cell] : layouts_[section];
      to.push_back(cells_of(line));
    }
  }
}

const table& protocol_document::layout(const std::string& name) const { return layouts_.at(name); }

std::optional<std::size_t> protocol_document::size_of(const std::string& name) const {
  const auto found = sizes_.find(name);
  return found == sizes_.end() ? std::nullopt : std::optional(found->second);
}

const table& protocol_document::with_heading(const std::string& first) const { return headed_.at(first); }

field_list protocol_document::read(const std::vector<std::string>& layouts, byte_view raw) const {
  table_reader reader(raw);
  for (const auto& name : layouts) reader.read(layout(name));
  return reader.take();
}

}  // namespace pp::test
