// Which nodes a client uses, and how much: options::nodes that are patterns, options::exclude, options::weights.
//
// Promises: pure, constant once made. Must not know: links, the scheduler.
#pragma once

#include <string>
#include <vector>

#include "pp/options.hpp"
#include "ppclient/placement.hpp"

namespace pp::ppclient {

/// An entry of options::nodes that names no place: it has * or ?.
bool is_pattern(const std::string& entry);

class node_choice {
 public:
  /// Throws: pp::error(errc::bad_option) for a pattern or a weight that is none.
  explicit node_choice(const options& o);

  /// Entries of options::nodes that name places, without those that are excluded.
  const std::vector<std::string>& named() const { return named_; }
  bool is_excluded(const node_identity& who) const;
  /// For a node that was found: not excluded, and one of those that patterns ask for, if there are any.
  bool uses_found(const node_identity& who) const;
  /// In sixteenths of the usual.
  unsigned weight_of(const node_identity& who) const;

  static constexpr unsigned usual_weight = 16;

 private:
  std::vector<std::string> named_, wanted_, excluded_;
  std::map<std::string, double> weights_;
};

}  // namespace pp::ppclient
