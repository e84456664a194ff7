// Tells systemd how this process is doing: one datagram to $NOTIFY_SOCKET, as sd_notify(3) describes it.
//
// Promises: does nothing when nobody asked; never fails the caller. Threads: any.
#pragma once

#include <string_view>

namespace pp::ppserver {

/// `state` is one or more lines such as "READY=1". False if somebody asked and could not be told.
bool notify_service_manager(std::string_view state);

}  // namespace pp::ppserver
