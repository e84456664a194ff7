// pp::result<T>: the value of a decode, or the reason there is none. For bytes from outside only (docs/architecture.md, errors).
#pragma once

#include <boost/system/result.hpp>

#include "pp/error.hpp"

namespace pp {

template <class T>
using result = boost::system::result<T, std::error_code>;

/// What every decoder gives for bytes that cannot be what they claim to be.
inline std::error_code malformed() { return make_error_code(errc::bad_message); }

/// False for a number from a newer peer.
bool is_known(errc code) noexcept;

}  // namespace pp
