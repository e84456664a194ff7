// The shared values that a job's arguments name: kept until it is done, and named in its terms.
//
// Threads: the submitter's, then the I/O thread's. Must not know: nodes, how values travel.
#pragma once

#include "ppclient/record.hpp"

namespace pp::ppclient {

/// In addition to those it has. With each come those that it names itself. Throws pp::error(errc::bad_option) if they are too
/// many.
void add_values(detail::job_record& job, const detail::shared_values& named);

}  // namespace pp::ppclient
