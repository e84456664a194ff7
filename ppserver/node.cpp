#include "ppserver/node.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include <fcntl.h>
#include <unistd.h>

#include "base/log.hpp"
#include "net/deadline.hpp"
#include "ppserver/notify.hpp"
#include "ppserver/workers.hpp"
#include "worker/cgroup.hpp"
#include "worker/orphans.hpp"

namespace pp::ppserver {
namespace {

/// Longer than any login: by then nobody uses keys that were replaced.
constexpr auto longest_login = std::chrono::seconds(10);

discovery::selection choose_interfaces(const config& settings, const auth::loaded_keyring& keys) {
  if (!keys.weak) return discovery::select_interfaces(settings.interfaces, settings.broadcasts);
  log::warn("weak_secret", {{"effect", "this node listens and announces on loopback only"}});
  return discovery::select_interfaces("lo");
}

worker::pool_options pool_options_of(const config& settings, const worker::launch_settings& launch) {
  worker::pool_options o;
  o.resources = settings.resources;
  o.slots = settings.workers;
  o.recycle_after = settings.recycle_after;
  o.pass_environment = settings.pass_environment;
  o.road = settings.road;
  o.spin = settings.spin;
  o.launch = launch;
  o.orphans = std::make_shared<worker::orphans>();
  o.restart_limit = settings.restart_limit;
  o.restart_window = settings.restart_window;
  o.keep_warm = settings.keep_warm;
  o.memory_limit = settings.memory;
  o.output_limit = static_cast<std::size_t>(settings.output_limit);
  return o;
}

/// The id in this file, which is made if it is missing.
auth::node_id persistent_id(const std::string& path) {
  const auto refuse = [&](const std::string& why) {
    throw error(errc::bad_option, "the node id file " + path + " " + why + ": remove it, or choose another");
  };
  std::ifstream existing(path);
  std::string text;
  auth::node_id id{};
  if (existing >> text) {
    const auto raw = from_hex(text);
    if (raw.size() != id.size()) refuse("does not hold 32 hexadecimal digits");
    std::copy(raw.begin(), raw.end(), id.begin());
    return id;
  }
  id = auth::random_array<16>();
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  text = to_hex(id) + "\n";
  const bool written = fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (fd >= 0) ::close(fd);
  if (!written) refuse("cannot be written");
  return id;
}

std::uint32_t free_memory_mib() {
  std::ifstream file("/proc/meminfo");
  std::string key, unit;
  std::uint64_t kib = 0;
  while (file >> key >> kib >> unit) {
    if (key == "MemAvailable:") return static_cast<std::uint32_t>(std::min<std::uint64_t>(kib / 1024, UINT32_MAX));
  }
  return 0;
}

std::uint32_t load_milli() {
  double load = 0;
  return getloadavg(&load, 1) == 1 ? static_cast<std::uint32_t>(load * 1000) : 0;
}

std::uint16_t in_u16(unsigned n) { return static_cast<std::uint16_t>(std::min(n, 65535U)); }

}  // namespace

node::identity node::make_identity(const config& settings) {
  identity self;
  self.id = settings.node_id_file.empty() ? auth::random_array<16>() : persistent_id(settings.node_id_file);
  self.boot = auth::random_array<16>();
  return self;
}

node::node(net::io_context& io, config settings, auth::key_source source, auth::loaded_keyring keys,
           const auth::admission::limits& door_limits)
    : io_(io),
      settings_(std::move(settings)),
      source_(std::move(source)),
      key_origin_(keys.origin),
      is_weak_(keys.weak),
      launch_(launch_settings_of(settings_, keys.origin)),
      isolation_(worker::examine_isolation(launch_)),
      keys_(std::move(keys.keys)),
      self_(make_identity(settings_)),
      where_(choose_interfaces(settings_, keys)),
      programs_({settings_.cache_directory, settings_.cache_bytes}),
      peers_(io.get_executor(), programs_, keys_, self_.id, settings_.peer_transfer),
      directories_(std::make_shared<worker::job_directories>(settings_.job_root, to_hex(self_.boot), launch_.user)),
      shares_(settings_.workers),
      listener_(io.get_executor(), where_.listen_addresses(), settings_.port, where_.everything()),
      door_({self_.id, self_.boot, settings_.peer_transfer ? wire::feature_peer_transfer : 0}, keys_, door_limits),
      connections_(io.get_executor()),
      tasks_(io.get_executor()),
      signals_(io),
      stop_wanted_(io, net::steady_timer::time_point::max()),
      jobs_awaited_(io),
      drain_limit_(settings_.drain_timeout) {
  say_isolation();
  if (!settings_.discovery) return;
  discovery::announcer::options o;
  o.where = where_;
  o.discovery_port = settings_.discovery_port;
  o.tcp_port = listener_.port();
  o.id = self_.id;
  o.boot = self_.boot;
  o.name = settings_.name;
  announcer_ = std::make_unique<discovery::announcer>(io.get_executor(), std::move(o), keys_,
                                                      [this] { return announced_state(); });
}

node::~node() = default;

std::string node::address() const {
  const net::ip::address* best = nullptr;
  for (const auto& on : where_.interfaces) {
    for (const auto& a : on.addresses) {
      const bool is_better = best == nullptr || (best->is_loopback() && !a.is_loopback());
      if (is_better && a.is_v4()) best = &a;
    }
  }
  const auto port = ":" + std::to_string(listener_.port());
  if (best != nullptr) return best->to_string() + port;
  const auto& only = listener_.addresses().front();
  return (only.is_v6() ? "[" + only.to_string() + "]" : only.to_string()) + port;
}

discovery::node_state node::announced_state() const {
  const auto jobs = jobs_->counters();
  discovery::node_state state;
  state.slots = in_u16(jobs_->slots());
  state.free = in_u16(jobs_->slots() > jobs.running ? jobs_->slots() - jobs.running : 0);
  state.load_milli = load_milli();
  state.mem_free_mib = free_memory_mib();
  state.draining = stops_ > 0;
  return state;
}

net::awaitable<void> node::run() {
  start();
  while (stops_ == 0) {
    net::error_code ignored;
    co_await stop_wanted_.async_wait(net::redirect_error(net::use_awaitable, ignored));
  }
  co_await shut_down();
}

void node::start() {
  auto options = pool_options_of(settings_, launch_);
  options.directories = directories_;
  if (settings_.use_cgroup) {
    options.cgroups = worker::cgroups::make(to_hex(self_.boot), cgroup_);
    log::info("cgroup", {{"status", cgroup_}});
  }
  jobs_ = std::make_unique<worker::pool>(io_.get_executor(), options);
  around_ = std::make_unique<surroundings>(
      surroundings{io_.get_executor(), *jobs_, programs_, shares_, settings_, [this] { return to_json(numbers()); },
                   [this](std::chrono::milliseconds limit) { drain(limit); }, drain_limit_,
                   static_cast<std::uint8_t>(isolation_.level), &offers_, &peers_});
  for (const int number : {SIGTERM, SIGINT, SIGUSR1, SIGHUP}) signals_.add(number);
  tasks_.spawn("watch signals", watch_signals());
  if (settings_.idle_timeout.count() > 0) tasks_.spawn("watch idleness", watch_idleness());
  listener_.start([this](net::tcp::socket socket) { on_connection(std::move(socket)); });
  if (announcer_) tasks_.spawn("announce", announcer_->run());
  idle_since_ = now();
  say_ready();
}

void node::say_isolation() const {
  warn_about(launch_);
  log::info("isolation", {{"reached", name_of(isolation_.level)}, {"text", isolation_.text}});
}

// Other programs wait for this line, so it is written whatever the log level.
void node::say_ready() const {
  const bool is_hidden = !log::enabled(log::level::info);
  if (is_hidden) log::set_up(log::level::info, settings_.log_format);
  log::info("ready", {{"address", address()}, {"node", to_hex(self_.id)}, {"workers", settings_.workers}});
  if (is_hidden) log::set_up(settings_.log_level, settings_.log_format);
  if (!notify_service_manager("READY=1\nSTATUS=Taking jobs at " + address())) {
    log::warn("not_notified", {{"hint", "$NOTIFY_SOCKET is set but cannot be written to"}});
  }
}

// --- clients ---------------------------------------------------------------------------------------------------------

void node::on_connection(net::tcp::socket socket) { connections_.spawn("serve", serve(std::move(socket))); }

net::awaitable<void> node::serve(net::tcp::socket socket) {
  auto guest = co_await door_.admit(std::move(socket));
  if (!guest) co_return;
  const auto ticket = guest->ticket;
  // The key may have been taken away, or the node told to stop, while the client proved itself.
  const bool may_stay = stops_ == 0 && keys_.find(guest->who.with) != nullptr;
  if (may_stay && guest->who.as == auth::role::peer) {
    co_await peers_.serve(std::move(guest->stream), std::move(guest->who), std::move(guest->address));
  } else if (may_stay) {
    co_await serve_guest(std::move(*guest));
  }
  door_.on_left(ticket);
}

net::awaitable<void> node::serve_guest(door::guest guest) {
  const auto number = ++sessions_ever_;
  session client(number, std::move(guest.stream), {std::move(guest.who), std::move(guest.address)}, *around_);
  sessions_.emplace(number, &client);
  co_await client.run();
  sessions_.erase(number);
  if (sessions_.empty()) idle_since_ = now();
}

net::awaitable<void> node::watch_idleness() {
  while (!sessions_.empty() || now() - idle_since_ < settings_.idle_timeout) {
    const bool busy = !sessions_.empty();
    co_await net::sleep_until(busy ? now() + std::min<duration>(settings_.idle_timeout, std::chrono::seconds(1))
                                   : idle_since_ + settings_.idle_timeout);
  }
  log::info("idle", {{"seconds", settings_.idle_timeout.count()}});
  stop();
}

// --- signals ---------------------------------------------------------------------------------------------------------

net::awaitable<void> node::watch_signals() {
  for (;;) {
    const int number = co_await signals_.async_wait(net::use_awaitable);
    switch (number) {
      case SIGUSR1: print_statistics(); break;
      case SIGHUP: reload_keys(); break;
      default: stop(); break;
    }
  }
}

void node::print_statistics() const {
  const auto text = settings_.log_format == log::format::json ? to_json(numbers()) + "\n" : to_table(numbers());
  std::fwrite(text.data(), 1, text.size(), stderr);
}

node_numbers node::numbers() const {
  node_numbers n;
  n.name = settings_.name;
  n.node_id = to_hex(self_.id);
  n.address = address();
  n.uptime = now() - began_;
  n.draining = stops_ > 0;
  n.isolation = isolation_;
  n.limits = {settings_.memory, settings_.output_limit, settings_.restart_limit, settings_.restart_window};
  n.job_root = settings_.job_root;
  n.cgroup = cgroup_;
  n.status = jobs_->status();
  n.slots = jobs_->slots();
  n.jobs = jobs_->counters();
  n.programs = programs_.numbers();
  n.peers = peers_.numbers();
  n.clients_total = sessions_ever_;
  n.refused = door_.refused();
  for (const auto& [number, client] : sessions_) n.sessions.push_back(client->numbers());
  return n;
}

void node::reload_keys() {
  auth::key_source again = source_;
  again.create_if_missing = false;
  auth::loaded_keyring fresh;
  try {
    fresh = auth::load_keyring(again);
    if (fresh.origin != key_origin_)
      throw error(errc::refused, "they would come from " + fresh.origin + " now, not " + key_origin_);
    if (fresh.weak && !is_weak_) throw error(errc::refused, "a weak secret needs a node that listens on loopback only");
  } catch (const std::exception& e) {
    log::error("keys_kept", {{"origin", key_origin_}, {"reason", e.what()}});
    return;
  }
  // Logins under way may still look at the old keys: moving a keyring leaves its keys where they are in memory.
  auto retired = std::move(keys_);
  keys_ = std::move(fresh.keys);
  tasks_.spawn("forget keys", forget_keys(std::move(retired)));
  log::info("keys_loaded", {{"origin", key_origin_}, {"keys", keys_.keys().size()}});
  for (const auto& [number, client] : sessions_) {
    if (keys_.find(client->client().with) == nullptr) client->leave(errc::refused, "this client's key was taken away");
  }
  peers_.end_all(&keys_);
}

net::awaitable<void> node::forget_keys(auth::keyring retired) {
  co_await net::sleep_for(longest_login);
  static_cast<void>(retired);
}

// --- the end ---------------------------------------------------------------------------------------------------------

void node::stop() {
  ++stops_;
  stop_wanted_.cancel();
  if (stops_ > 1) jobs_awaited_.cancel();
}

void node::drain(std::chrono::milliseconds limit) {
  if (stops_ > 0) return;  // asking again is no second signal: what runs may finish
  if (limit.count() > 0) around_->drain_limit = drain_limit_ = limit;
  stop();
}

net::awaitable<void> node::shut_down() {
  const auto running = jobs_->counters().running;
  log::info("draining", {{"running", running},
                         {"limit_s", std::chrono::duration_cast<std::chrono::seconds>(drain_limit_).count()}});
  notify_service_manager("STOPPING=1");
  if (announcer_) announcer_->goodbye();
  listener_.stop();
  door_.close();
  for (const auto& [number, client] : sessions_) client->drain();
  jobs_->drain();
  co_await wait_for_jobs();
  for (const auto& [number, client] : sessions_) client->leave(errc::shutting_down, "the node is being stopped");
  peers_.end_all();
  co_await connections_.join();
  co_await jobs_->close();
  if (announcer_) co_await announcer_->close();
  co_await listener_.close();
  signals_.cancel();
  co_await tasks_.close();
  log::info("stopped", {{"jobs_done", jobs_->counters().jobs_done}, {"clients", sessions_ever_}});
}

net::awaitable<void> node::wait_for_jobs() {
  const auto limit = now() + drain_limit_;
  net::task_group waiting(io_.get_executor());
  waiting.spawn("wait for jobs", wait_until_idle());
  while (!is_idle_ && stops_ < 2 && now() < limit) {
    jobs_awaited_.expires_at(limit);
    net::error_code ignored;
    co_await jobs_awaited_.async_wait(net::redirect_error(net::use_awaitable, ignored));
  }
  co_await waiting.close();
}

net::awaitable<void> node::wait_until_idle() {
  co_await jobs_->wait_idle(time_point::max());
  is_idle_ = true;
  jobs_awaited_.cancel();
}

}  // namespace pp::ppserver
