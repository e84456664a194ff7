// What a node has of things that are not CPUs, and how much of it is taken: "gpu=2", "licence.cad=5".
//
// Promises: pure. What is taken although it is not there (by a job that was there all the time and is counted again) is
// owed: nothing of it is free until as much was given back. Must not know: jobs, workers, what a resource is.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "wire/terms.hpp"

namespace pp::worker {

class resource_stock {
 public:
  struct item {
    wire::resource declared;
    std::uint32_t taken = 0;
  };
  explicit resource_stock(const std::vector<wire::resource>& declared = {});

  /// True if so much of each is free.
  bool has(const std::vector<wire::resource>& needs) const;
  /// True if so much of each would be free if nothing were taken.
  bool declares(const std::vector<wire::resource>& needs) const;
  void take(const std::vector<wire::resource>& needs);
  /// Requires: it was taken.
  void give_back(const std::vector<wire::resource>& needs);
  const std::vector<item>& items() const { return items_; }

 private:
  const item* find(const std::string& name) const;
  std::vector<item> items_;
};

/// "gpu=1, licence.cad=2"
std::string text_of(const std::vector<wire::resource>& all);

}  // namespace pp::worker
