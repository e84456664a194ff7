// Waiting for conditions, with a limit generous enough for a loaded two-core machine and a sanitizer build.
#pragma once

#include <chrono>
#include <functional>

namespace pp::test {

/// How long a thing that must happen may take before the test says it did not.
inline constexpr std::chrono::seconds generous{60};

/// Looks every few milliseconds until `condition` holds. False if it did not within `limit`.
bool wait_until(const std::function<bool()>& condition, std::chrono::milliseconds limit = generous);

/// What a job does to last that long without using a core.
void spend(std::chrono::milliseconds length);

/// True in a build with sanitizers, where everything takes several times as long.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool is_sanitized = true;
#else
inline constexpr bool is_sanitized = false;
#endif

}  // namespace pp::test
