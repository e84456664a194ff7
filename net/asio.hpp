// The Asio names this project uses; nothing else spells `boost::asio`.
//
// Everything runs on one io_context with one thread (docs/architecture.md, async). Asio itself is compiled once, in
// asio_impl.cpp. Coroutine results use use_awaitable: `co_await socket.async_x(…, use_awaitable)`.
//
// GCC 12: never pass a temporary with a destructor inside a co_await argument list and never pass braced initialisers there;
// name it in a variable first (GCC bugs 98935, 102454: such temporaries may be destroyed twice).
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace pp::net {

namespace asio = boost::asio;
namespace ip = boost::asio::ip;

template <class T = void>
using awaitable = asio::awaitable<T, asio::any_io_executor>;
using executor = asio::any_io_executor;
using asio::io_context;
using asio::post;
using asio::redirect_error;
using asio::use_awaitable;
using error_code = boost::system::error_code;
using system_error = boost::system::system_error;
using tcp = ip::tcp;
using udp = ip::udp;
using steady_timer = asio::steady_timer;
using signal_set = asio::signal_set;
using pipe_socket = asio::local::stream_protocol::socket;
using descriptor = asio::posix::stream_descriptor;
namespace this_coro = asio::this_coro;
inline constexpr auto operation_aborted = asio::error::operation_aborted;

}  // namespace pp::net
