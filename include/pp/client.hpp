/// Submits jobs to every node it can find and returns futures. Safe to use from any thread.
///
/// Promises: a job runs at least once while the client lives and some node can be used; its future completes exactly once.
///           A node that dies loses nothing: its jobs run elsewhere. Nodes may come and go at any moment.
/// Must not know: anything but the standard library and cereal; the rest is behind one pointer.
#pragma once

#include <chrono>
#include <cstdint>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "pp/checkout.hpp"
#include "pp/detail/algorithms.hpp"
#include "pp/detail/callable.hpp"
#include "pp/detail/dependencies.hpp"
#include "pp/detail/imap.hpp"
#include "pp/detail/job_draft.hpp"
#include "pp/detail/map.hpp"
#include "pp/detail/parallel.hpp"
#include "pp/detail/reduce.hpp"
#include "pp/detail/starmap.hpp"
#include "pp/future.hpp"
#include "pp/named_function.hpp"
#include "pp/options.hpp"
#include "pp/shared.hpp"
#include "pp/stats.hpp"

namespace pp {

/// Where jobs are given in; see the top of this file. One for each program is usual, and enough.
class client {
 public:
  /// Starts looking for nodes at once. Throws: pp::error(errc::not_initialised) if pp::init was not called in this
  /// program, errc::bad_option with the option's name, errc::refused if a named keyring cannot be used.
  client() : client(options{}) {}
  explicit client(const options& o);  ///< The same with settings of its own.
  /// close().
  ~client();
  client(const client&) = delete;
  client& operator=(const client&) = delete;

  /// Sends one call of `f` to some node and returns at once with its future.
  ///
  /// `f` is any function, static member, member pointer, captureless lambda, or function object with cereal state.
  /// Arguments are converted to f's parameter types and encoded before this returns; the originals may be destroyed.
  ///
  /// An argument may be a pp::future<T> of this client, or a std::vector of them: the job waits for it, and `f` gets its value.
  /// Handed over as an lvalue the future stays as it is, for get() and for other jobs; with std::move it is used up. If such
  /// an input fails, the job fails with errc::dependency_failed, and its report tells why; its other inputs go on. Until all
  /// inputs have ended it counts as client_stats::waiting; an input's output is shown by its own get() alone. Jobs can wait
  /// for older ones only, so never for each other. What converts values and encodes classes runs on a thread of the client's.
  ///
  /// Threads:  any, concurrently.
  /// Blocks:   while options::max_pending_bytes of arguments wait for their jobs to be done.
  /// Throws:   pp::error(errc::closed) after close(), errc::not_shippable; whatever encoding an argument throws.
  ///           What becomes of the job is told by the future, never here.
  /// Order:    none between jobs.
  template <class F, class... Args>
  requires(!std::is_same_v<std::remove_cvref_t<F>, job_options>) auto submit(F&& f, Args&&... args)
      -> future<detail::result_with<F, Args...>> {
    return future<detail::result_with<F, Args...>>(
        detail::submit_call(*core_, nullptr, std::forward<F>(f), std::forward<Args>(args)...));
  }

  /// The same for a job with settings of its own: client.submit({.timeout = 5s}, f, 42).
  ///
  /// Throws:   also pp::error(errc::bad_option) with the name of a setting that is out of its range.
  template <class F, class... Args>
  auto submit(const job_options& how, F&& f, Args&&... args) -> future<detail::result_with<F, Args...>> {
    return future<detail::result_with<F, Args...>>(
        detail::submit_call(*core_, &how, std::forward<F>(f), std::forward<Args>(args)...));
  }

  /// A handle for a value that many jobs use: it is copied now, travels to each node once, with the first job that names it there,
  /// and is mapped read-only by all the node's workers. Give the handle to jobs as an argument: see pp::shared.
  ///
  /// Throws: pp::error(errc::overloaded) if this program shares 10,000 values already or has no memory; errc::bad_option for a
  ///         vector of numbers or string of 4 GiB and more; whatever encoding throws, which is also for everything above 1 GiB.
  template <class T>
  pp::shared<std::decay_t<T>> share(const T& value) const {
    static_assert(detail::parameter_check<const std::decay_t<T>&>::good);
    return pp::shared<std::decay_t<T>>::of(value);
  }

  /// Cancels every job with this job_options::group that is not done, as future::cancel() does. How many those were.
  std::size_t cancel_group(const std::string& group);

  /// Blocks until no job of this client, or with this job_options::group, is unfinished and all callbacks about them have
  /// run. Jobs that callbacks or others submit meanwhile are waited for too. With a limit: false if that passed first.
  void wait();
  bool wait(std::chrono::milliseconds limit);                            ///< The same with a limit.
  void wait(const std::string& group);                                   ///< The same for a group.
  bool wait(const std::string& group, std::chrono::milliseconds limit);  ///< The same for a group, with a limit.

  /// Calls `f` with every element of `range` on all nodes and waits for the results, in the order of the range.
  ///
  /// `f` is whatever submit() takes that is called with one argument; with a member pointer the elements are the objects.
  /// `range` is anything to iterate over, also once only and without an end in sight: it is read from its beginning to its
  /// end while results come in, and at most some chunks per slot are under way at once. Returns std::vector<R>, or nothing
  /// if `f` returns nothing.
  ///
  /// Threads:  any, concurrently; `range` is read and the results are written by the caller's thread.
  /// Blocks:   until every item is done.
  /// Throws:   pp::job_error of the first item in the order of the range that threw, whose text begins with the item's
  ///           number; of an item that killed its worker with those numbers it may be. pp::error for everything else that
  ///           can become of a job, errc::bad_option for `how`; whatever the range or encoding an element throws. What is
  ///           not done then is cancelled.
  /// Order:    of the results: the range's. None between calls; a call sees no change that another made to `f`.
  template <class F, class Range>
  auto map(F&& f, Range&& range, const map_options& how = {}) {
    return detail::map_values(*core_, static_cast<const std::decay_t<F>&>(f), range, how);
  }

  /// The same, with the results written to `out`: an output iterator, or a range (array, span, vector) with room for
  /// them. Returns the iterator behind the last result.
  ///
  /// Throws:   also errc::bad_option if a range has less room than there are results; what was written before an exception
  ///           are the results of the first items.
  template <class F, class Range, class Out>
  requires(!std::is_same_v<std::remove_cvref_t<Out>, map_options>) auto map(F&& f, Range&& range, Out&& out,
                                                                            const map_options& how = {}) {
    return detail::map_to(*core_, static_cast<const std::decay_t<F>&>(f), range, std::forward<Out>(out), how);
  }

  // Relatives of map: functions, ranges, chunks, threads and errors as there, unless they say otherwise.

  /// The same, but an error ends nothing: a std::vector<pp::outcome<R>>, one for each element in the order of the range. An
  /// element whose function threw costs the others nothing; where a worker died or a limit was met, all elements of the
  /// chunk have that error (map_options::chunk = 1 keeps them apart).
  template <class F, class Range>
  auto try_map(F&& f, Range&& range, const map_options& how = {}) {
    return detail::try_map(*core_, static_cast<const std::decay_t<F>&>(f), range, how);
  }

  /// Hands results to `use(std::uint64_t number, R result)` as they come, on the caller's thread; `number` counts the
  /// elements of the range from 0. Nothing is kept, so memory does not grow with the range. An exception of `use` ends it.
  template <class F, class Range, class Use>
  void map_unordered(F&& f, Range&& range, Use&& use, const map_options& how = {}) {
    detail::map_unordered(*core_, static_cast<const std::decay_t<F>&>(f), range, use, how);
  }

  /// Calls `f` with every element; what it returns is not sent back.
  template <class F, class Range>
  void for_each(F&& f, Range&& range, const map_options& how = {}) {
    detail::for_each(*core_, static_cast<const std::decay_t<F>&>(f), range, how);
  }

  /// A lazy input range of the results, in the order of `range`, which may be endless: at most `most` elements are sent and
  /// not read yet. Work goes on only while it is read; giving it up cancels the rest. It uses a range given by name where
  /// that is, keeps a temporary one, and must not outlive the client.
  ///
  /// Throws:   errc::bad_option here; everything else while it is read, after which it cannot be read further.
  template <class F, class Range>
  auto imap(F&& f, Range&& range, std::size_t most, const map_options& how = {}) {
    return detail::imap<true>(*core_, static_cast<const std::decay_t<F>&>(f), std::forward<Range>(range), most, how);
  }
  /// The same with results as they come: a range of std::pair(std::uint64_t number, R result).
  template <class F, class Range>
  auto imap_unordered(F&& f, Range&& range, std::size_t most, const map_options& how = {}) {
    return detail::imap<false>(*core_, static_cast<const std::decay_t<F>&>(f), std::forward<Range>(range), most, how);
  }

  /// The elements for which `predicate` returns true, copied in their order. The range is read twice.
  template <class F, class Range>
  auto filter(F&& predicate, Range&& range, const map_options& how = {}) {
    return detail::filter(*core_, static_cast<const std::decay_t<F>&>(predicate), range, how);
  }

  /// map for a range of tuples or pairs: their parts are the arguments of `f`, a function object or captureless lambda.
  template <class F, class Range>
  auto starmap(F&& f, Range&& range, const map_options& how = {}) {
    return detail::starmap(*core_, static_cast<const std::decay_t<F>&>(f), range, how);
  }

  /// map_unordered as try_map is map: with a pp::outcome<R> for each element, and no error that ends it.
  template <class F, class Range, class Use>
  void try_map_unordered(F&& f, Range&& range, Use&& use, const map_options& how = {}) {
    detail::try_map_unordered(*core_, static_cast<const std::decay_t<F>&>(f), range, use, how);
  }
  /// The same of imap.
  template <class F, class Range>
  auto try_imap(F&& f, Range&& range, std::size_t most, const map_options& how = {}) {
    return detail::try_imap<true>(*core_, static_cast<const std::decay_t<F>&>(f), std::forward<Range>(range), most,
                                  how);
  }
  /// The same of imap_unordered.
  template <class F, class Range>
  auto try_imap_unordered(F&& f, Range&& range, std::size_t most, const map_options& how = {}) {
    return detail::try_imap<false>(*core_, static_cast<const std::decay_t<F>&>(f), std::forward<Range>(range), most,
                                   how);
  }
  /// The same of starmap.
  template <class F, class Range>
  auto try_starmap(F&& f, Range&& range, const map_options& how = {}) {
    return detail::try_starmap(*core_, static_cast<const std::decay_t<F>&>(f), range, how);
  }

  /// op(op(init, first), second)… as a T, the type of `init`. `op(T, T)` must be associative; it need not be commutative,
  /// since the order is kept. It runs on the nodes alone: in chunks, and then on what those gave, until one value is left.
  template <class F, class Range, class T>
  auto reduce(F&& op, Range&& range, T init, const map_options& how = {}) {
    return detail::reduce(*core_, static_cast<const std::decay_t<F>&>(op), range, std::move(init), how);
  }
  /// The same over the results of `f`; only one value for each chunk travels back. One of `f` and `op` must be a function
  /// object or lambda.
  template <class F, class G, class Range, class T>
  auto map_reduce(F&& f, G&& op, Range&& range, T init, const map_options& how = {}) {
    return detail::checked_map_reduce(*core_, static_cast<const std::decay_t<F>&>(f),
                                      static_cast<const std::decay_t<G>&>(op), range, std::move(init), how);
  }

  /// Runs different jobs at once and waits for all: parallel(f, pp::call(g, 1, 2)) gives std::tuple(f(), g(1, 2)), with
  /// std::monostate for what returns nothing. The first error that is seen is thrown, and the other jobs are cancelled.
  template <class... Calls>
  auto parallel(Calls&&... calls) {
    const auto one = [this](auto call) {
      return detail::call_shape<decltype(call)>::submit(
          call, [this](auto&& f, auto&&... args) { return submit(std::move(f), std::move(args)...); });
    };
    return detail::future_group{one(std::decay_t<Calls>(std::forward<Calls>(calls)))...}.take();
  }

  /// One call of `f` on every node that is ready now and fits `how` (this machine's own workers count as one): the node's
  /// name with the future. A job whose node is lost does not run elsewhere: it fails with errc::no_nodes.
  ///
  /// Threads, blocks: as submit().
  /// Throws:   as submit(); pp::error(errc::no_nodes) if there is no such node: call wait_for_nodes() first.
  template <class F, class... Args>
  auto broadcast(const job_options& how, F&& f, const Args&... args)
      -> std::vector<std::pair<std::string, future<detail::result_with<F, const Args&...>>>>;
  /// The same with the settings of options::job.
  template <class F, class... Args>
  requires(!std::is_same_v<std::remove_cvref_t<F>, job_options>) auto broadcast(F&& f, const Args&... args) {
    return broadcast(job_options{}, static_cast<const std::decay_t<F>&>(f), args...);
  }

  /// The same on every worker of those nodes that is not checked out: as many jobs as there are, each in a different process,
  /// in no order. A job waits until its worker has done what it has: for ever, if that never ends.
  template <class F, class... Args>
  auto broadcast(every_worker_t, const job_options& how, F&& f, const Args&... args)
      -> std::vector<std::pair<std::string, future<detail::result_of<F, const Args&...>>>>;
  /// The same with the settings of options::job.
  template <class F, class... Args>
  requires(!std::is_same_v<std::remove_cvref_t<F>, job_options>) auto broadcast(every_worker_t all, F&& f,
                                                                                const Args&... args) {
    return broadcast(all, job_options{}, static_cast<const std::decay_t<F>&>(f), args...);
  }

  /// One worker for this caller alone, from any node, or where job_options::node, nodes and isolation allow; priority counts
  /// too, nothing else does. Callers of one client who ask for the same get theirs in the order in which they asked, clients
  /// in turns.
  ///
  /// Threads: any, concurrently.
  /// Blocks:  until a worker has nothing to do, at most for `limit`.
  /// Throws:  pp::error(errc::overloaded) when that has passed; errc::no_nodes and others as a job that cannot run.
  checked_out checkout(const job_options& how, std::chrono::milliseconds limit) {
    return checked_out::take(*core_, how, limit);
  }
  /// The same, any worker.
  checked_out checkout(std::chrono::milliseconds limit) { return checkout({}, limit); }

  /// Lays the elements of `range` in workers that are checked out for it, in as many parts; 0 = all that there are now and
  /// that are not checked out. T is the range's value type.
  ///
  /// Blocks:  until that many workers have nothing to do, at most for `limit`; two that want all of them hinder each other
  ///          until then.
  /// Throws:  as checkout(); nothing is kept then.
  template <class Range>
  auto scatter(const Range& range, std::size_t workers = 0, std::chrono::milliseconds limit = std::chrono::seconds(60));

  /// Changes options::local while jobs run. More: jobs that wait begin there at once. Fewer, or 0: what runs ends first,
  /// and what had not begun goes to other nodes, or waits for some. Any thread.
  /// Throws: pp::error(errc::bad_option) below 0 or above 4096, errc::closed after close().
  void set_local_workers(pp::local_workers count);
  /// Worker processes that this machine contributes now; for automatic 0 until that is decided.
  unsigned local_workers() const;

  /// Waits until `count` nodes (local workers count as one) can take jobs, or until `limit`. True if they can.
  bool wait_for_nodes(std::size_t count, std::chrono::milliseconds limit);

  /// Every node known now, "local" first if there are local workers.
  std::vector<node_info> nodes() const;
  client_stats stats() const;  ///< What became of its jobs so far.
  /// The nodes' part of stats() as a table in the form of Parallel Python. A map's chunk counts as one job.
  void print_stats(std::ostream& to = std::cout) const;
  discovery_report discovery() const;  ///< What looking for nodes did so far.

  /// One round trip to a node given as its name, id or address. Throws pp::error(errc::no_nodes) if it is not known or
  /// does not answer within `limit`.
  std::chrono::nanoseconds ping(const std::string& node, std::chrono::milliseconds limit);
  /// The node's own statistics as JSON text; like ping().
  std::string node_stats(const std::string& node, std::chrono::milliseconds limit);

  /// From now on nodes list what pp::publish named in this program, and run it for every client with the same key: on all nodes,
  /// those that come later too, until close(). Calls of several clients are shared out as their jobs are.
  ///
  /// Throws: pp::error(errc::bad_option) if nothing was published, or more than nodes take.
  void offer();
  /// What is offered on the nodes that are ready now, sorted by name. A name that two programs offer is there twice.
  /// Blocks: until the nodes have answered, at most for `limit`; those that have not by then are left out.
  std::vector<named_function> functions(std::chrono::milliseconds limit = std::chrono::seconds(10)) const;
  /// Calls such a function: `arguments` is a JSON array, the future's text what the function returned, as JSON ("null" for void).
  ///
  /// Threads, blocks: as submit(). What becomes of the call is told by the future: pp::job_error also for arguments that do not
  /// fit its signature, pp::error(errc::unfit_node) if no node has the program any more.
  /// Throws: as submit().
  future<std::string> call(const named_function& f, const std::string& arguments, const job_options& how = {});
  /// The first of that name, looked up anew: one round trip to each node. Throws: also pp::error(errc::bad_option) with the names
  /// there are.
  future<std::string> call(const std::string& name, const std::string& arguments, const job_options& how = {});

  /// Lets a node finish what runs there, give back what does not, and end: like SIGTERM to its ppserver. `limit`: how
  /// long running jobs may take, 0 = its --drain-timeout. Needs options::role admin. Returns when it has agreed. Throws
  /// as ping(), errc::refused if the key or the role does not allow it.
  void drain(const std::string& node, std::chrono::milliseconds limit, std::chrono::milliseconds answer_limit);

  /// Ends local workers, says goodbye to the nodes; futures not done yet fail with errc::closed. May be called again.
  void close();

 private:
  /// Name, and what job_options::node takes.
  std::vector<std::pair<std::string, std::string>> ready_places(const job_options& how) const;
  /// The same, each place once for each of its workers.
  std::vector<std::pair<std::string, std::string>> ready_workers(const job_options& how) const;

  std::unique_ptr<detail::client_core> core_;
};

template <class F, class... Args>
auto client::broadcast(const job_options& how, F&& f, const Args&... args)
    -> std::vector<std::pair<std::string, future<detail::result_with<F, const Args&...>>>> {
  std::vector<std::pair<std::string, future<detail::result_with<F, const Args&...>>>> out;
  job_options there = how;
  for (auto& [name, place] : ready_places(how)) {
    there.node = place;
    out.emplace_back(std::move(name), submit(there, static_cast<const std::decay_t<F>&>(f), args...));
  }
  return out;
}

}  // namespace pp

#include "pp/detail/every_worker.hpp"
