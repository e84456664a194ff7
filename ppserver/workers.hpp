// What the node's settings mean for its workers: whom they run as, and what they may touch.
//
// Promises: asks the system for users and directories, changes nothing but the log. Must not know: how a worker is confined.
#pragma once

#include <string>

#include "ppserver/config.hpp"
#include "worker/isolation.hpp"

namespace pp::ppserver {

/// The user `name`, with all groups. Throws pp::error(bad_option): there is none, or this process is not root's.
worker::job_user find_job_user(const std::string& name);

/// `key_origin` is loaded_keyring::origin. Throws as find_job_user does.
worker::launch_settings launch_settings_of(const config& settings, const std::string& key_origin);

/// Writes to the log what these settings leave open and nobody must overlook.
void warn_about(const worker::launch_settings& settings);

}  // namespace pp::ppserver
