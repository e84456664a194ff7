// How the decoders of messages end.
#pragma once

#include <utility>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace pp::wire {

/// All of the message was there, and nothing is left over.
template <class T>
result<T> whole(const reader& in, T&& m) {
  if (!in.finished()) return malformed();
  return std::forward<T>(m);
}

}  // namespace pp::wire
