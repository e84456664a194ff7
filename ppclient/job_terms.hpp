// What a caller says about one job beside its arguments, checked and put into the two halves that need it.
//
// Promises: jobs with the usual settings have none of it: make_terms() gives null, and nothing is allocated or sent for
// them. Pure. Threads: made by the caller's thread, then constant; records share it.
// Must not know: records, nodes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/bytes.hpp"
#include "pp/options.hpp"
#include "ppclient/checkout.hpp"
#include "ppclient/placement.hpp"

namespace pp::ppclient {

struct job_terms {
  bytes encoded;  ///< wire/terms, for the node and the worker; empty if all of that is as usual
  // For this side only.
  std::string label, group;
  placement where;
  unsigned attempts = 0;  ///< 0 = options::attempts
  int priority = 0;
  bool at_most_once = false;
  bool idempotent = false;
  pp::output output = pp::output::usual;
  detail::job_place place;
  bool opens() const { return place.use == wire::place_use::opens; }
  bool is_inside() const { return place.use == wire::place_use::inside; }
};

/// Throws: pp::error(errc::bad_option) with the setting's name and what it must be.
void check(const job_options& how);
/// As it travels. Throws: pp::error(errc::bad_option) that begins with `name`, for what is none.
std::vector<wire::resource> checked_resources(const std::string& name, const std::map<std::string, unsigned>& all);
/// What `how` leaves at its default is taken from `usual`. Null if nothing is said at all. Throws as check().
std::shared_ptr<const job_terms> make_terms(const job_options& how, const job_options& usual);
/// The same for a job that has to do with one particular worker; never null.
std::shared_ptr<const job_terms> make_terms(const job_options& how, const job_options& usual, detail::job_place place);

}  // namespace pp::ppclient
