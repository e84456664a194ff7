// What a record's failure is to its caller: the report, and the words of its exception.
#pragma once

#include <memory>
#include <string>

#include "ppclient/record.hpp"

namespace pp::detail {

/// Made only when it is asked for: a million jobs may fail at once, when a client is closed. Requires: code != 0.
std::shared_ptr<job_report> complete_report(const job_record& record, const wire::job_id& name);
/// what() of the exception that get() throws.
std::string text_of_failure(const job_record& record, const std::shared_ptr<const job_report>& why);

}  // namespace pp::detail
