#include "discovery/report.hpp"

#include <cstdlib>

namespace pp::discovery {
namespace {

std::string counted(std::uint64_t n, const std::string& one, const std::string& many) {
  return std::to_string(n) + " " + (n == 1 ? one : many);
}

std::string in_words(std::int64_t ms) {
  // -(ms + 1) cannot overflow, -ms can.
  const auto seconds = (ms < 0 ? static_cast<std::uint64_t>(-(ms + 1)) + 1 : static_cast<std::uint64_t>(ms)) / 1000;
  if (seconds < 180) return std::to_string(seconds) + " s";
  if (seconds < 180 * 60) return std::to_string(seconds / 60) + " min";
  if (seconds < 72 * 3600) return std::to_string(seconds / 3600) + " h";
  return std::to_string(seconds / 86400) + " days";
}

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const auto& p : parts) out += (out.empty() ? "" : ", ") + p;
  return out;
}

std::string range(std::uint8_t low, std::uint8_t high) {
  return low == high ? std::to_string(low) : std::to_string(low) + " to " + std::to_string(high);
}

void remark_on_interfaces(const report& r, std::vector<std::string>& out) {
  if (r.interfaces.empty()) {
    out.push_back("no interface to ask on is up: check PP_INTERFACES and the network, or name the nodes in PP_NODES");
  }
  for (const auto& i : r.interfaces) {
    if (i.failed == 0) continue;
    out.push_back(counted(i.failed, "query", "queries") + " could not be sent on " + i.text +
                  ": a firewall or a missing route; name the nodes in PP_NODES to do without broadcast");
  }
}

}  // namespace

std::string printable(const std::string& text) {
  constexpr const char* digits = "0123456789abcdef";
  std::string out;
  for (const unsigned char c : text) {
    if (c >= ' ' && c < 0x7f && c != '\'' && c != '"' && c != '\\') {
      out += static_cast<char>(c);
    } else {
      out += {'\\', 'x', digits[c >> 4U], digits[c & 15U]};
    }
  }
  return out;
}

std::string clock_warning(const std::string& name, const std::string& where, std::int64_t offset_ms) {
  return "node '" + printable(name) + "' (" + where + "): its clock is " + in_words(offset_ms) +
         (offset_ms < 0 ? " behind" : " ahead of") + " this machine's; set the clock that is wrong";
}

std::string version_warning(const found_node& node, std::uint8_t own_min, std::uint8_t own_max) {
  if (node.proto_min <= own_max && own_min <= node.proto_max) return {};
  const bool newer = node.proto_min > own_max;
  return "node '" + printable(node.name) + "' speaks protocol " + range(node.proto_min, node.proto_max) +
         ", this program " + range(own_min, own_max) + ": update pp " + (newer ? "here" : "there");
}

std::vector<std::string> report::remarks() const {
  std::vector<std::string> out;
  remark_on_interfaces(*this, out);
  if (!listening) {
    out.push_back("announcements are not heard (" + why_not_listening + "), only answers to queries");
  }
  if (other_key > 0) {
    out.push_back(counted(other_key, "datagram was", "datagrams were") + " sealed with another key (" +
                  joined(other_key_ids) + "), ours is " + key_id +
                  ": carry the key over with `ppserver key export` there and `ppserver key import` here");
  }
  if (no_address > 0) {
    out.push_back(counted(no_address, "datagram", "datagrams") +
                  " of nodes told no address that can be reached from here");
  }
  if (not_selected > 0) {
    out.push_back(counted(not_selected, "datagram", "datagrams") +
                  " came in on interfaces that are not selected: see PP_INTERFACES");
  }
  out.insert(out.end(), clock_warnings.begin(), clock_warnings.end());
  out.insert(out.end(), version_warnings.begin(), version_warnings.end());
  return out;
}

std::string report::text() const {
  std::vector<std::string> asked;
  for (const auto& i : interfaces) asked.push_back(i.text);
  std::string out = "asked on: " + (asked.empty() ? "no interface" : joined(asked));
  out += ", UDP port " + std::to_string(port) + "\n";
  out += "key used: " + key_id + "\n";
  out += "datagrams: " + std::to_string(received) + " received, " + std::to_string(accepted) + " accepted, " +
         std::to_string(other_key) + " with another key, " + std::to_string(wrong_mac) + " with a wrong MAC, " +
         std::to_string(replayed) + " replayed or unasked, " + std::to_string(wrong_clock) + " with a wrong clock, " +
         std::to_string(malformed) + " malformed\n";
  for (const auto& r : remarks()) out += r + "\n";
  return out;
}

}  // namespace pp::discovery
