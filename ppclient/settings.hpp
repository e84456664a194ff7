// A client's options completed from the environment, and checked.
#pragma once

#include "pp/options.hpp"
#include "worker/road.hpp"

namespace pp::ppclient {

/// Takes PP_INTERFACES, PP_NODES, PP_DISCOVERY, PP_DISCOVERY_PORT, PP_LOCAL_WORKERS, PP_SPIN where the program left the default.
/// Throws: pp::error(errc::bad_option) that names the option and its range.
options complete(options o);

/// Throws: pp::error(errc::bad_option) for a number out of its range.
void check_local_workers(local_workers count);

/// How jobs reach local workers, from PP_WORKER_ROAD. Throws: pp::error(errc::bad_option).
worker::road_kind local_road();

}  // namespace pp::ppclient
