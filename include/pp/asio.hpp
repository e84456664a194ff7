/// Futures for programs that use Boost.Asio: the only header here that includes it, and not part of pp.hpp.
///
///   pp::future<int> done = co_await pp::async_wait(client.submit(f, 1), boost::asio::use_awaitable);
///   std::cout << done.get() << '\n';
///
/// Boost.Asio's awaitable<> takes no foreign awaitables, hence this adaptor.
/// Threads: as the futures.
#pragma once

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/system_executor.hpp>

#include <utility>

#include "pp/future.hpp"

namespace pp {

/// Completes with the ready future, whose get() gives the value or throws. Any completion token; the handler runs on its
/// own executor, which is kept busy meanwhile. A cancellation slot is not looked at: future::cancel() cancels jobs.
template <class R, class Token>
auto async_wait(future<R> job, Token&& token) {
  return boost::asio::async_initiate<Token, void(future<R>)>(
      [](auto handler, future<R> waiting) {
        // The executor is that of the handler and of nobody else, so it must not go away before the job is done.
        auto work = boost::asio::make_work_guard(boost::asio::get_associated_executor(handler));
        std::move(waiting).then([handler = std::move(handler), work = std::move(work)](future<R> done) mutable {
          const auto executor = work.get_executor();
          boost::asio::dispatch(executor, [handler = std::move(handler), done = std::move(done)]() mutable {
            std::move(handler)(std::move(done));
          });
        });
      },
      token, std::move(job));
}

}  // namespace pp
