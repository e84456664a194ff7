// ppclient call: runs a function by its name on some node, with arguments from the command line or, one call for each line, from
// standard input.
#include <condition_variable>
#include <deque>
#include <iostream>
#include <memory>
#include <mutex>
#include <thread>

#include "command.hpp"

namespace ppclient {
namespace {

using json = nlohmann::ordered_json;

struct call_options {
  std::string name;
  std::vector<std::string> arguments;
  double timeout_seconds = 0;
  bool lines = false;
};

/// Calls under way at a time when they come from standard input.
constexpr std::size_t most_under_way = 1000;

/// A word that is JSON is that, any other is a text.
json value_of(const std::string& word) {
  auto value = json::parse(word, nullptr, false);
  return value.is_discarded() ? json(word) : value;
}

pp::job_options settings_of(const call_options& o) {
  pp::job_options how;
  how.timeout = std::chrono::milliseconds(static_cast<std::int64_t>(o.timeout_seconds * 1000));
  how.label = o.name;
  return how;
}

pp::named_function find(const pp::client& client, const std::string& name) {
  std::string known;
  for (const auto& f : client.functions()) {
    if (f.name == name) return f;
    known += (known.empty() ? "" : ", ") + printable(f.name);
  }
  throw std::invalid_argument("no node offers a function called " + printable(name) +
                              (known.empty() ? ": none is offered" : ": offered are " + known));
}

int call_once(pp::client& client, const pp::named_function& f, const call_options& o) {
  auto arguments = json::array();
  for (const auto& word : o.arguments) arguments.push_back(value_of(word));
  try {
    std::cout << client.call(f, arguments.dump(), settings_of(o)).get() << std::endl;
    return done;
  } catch (const pp::job_error& e) {
    std::cerr << "ppclient: " << printable(e.message()) << '\n';
  } catch (const pp::error& e) {
    std::cerr << "ppclient: " << printable(e.what()) << '\n';
  }
  return job_failed;
}

/// {"value": …} or {"error": "…"}, one line.
bool print_end(pp::future<std::string>& call) {
  json line;
  try {
    line["value"] = json::parse(call.get());
  } catch (const pp::job_error& e) {
    line["error"] = e.message();
  } catch (const std::exception& e) {
    line["error"] = e.what();
  }
  std::cout << line.dump(-1, ' ', false, json::error_handler_t::replace) << std::endl;
  return line.contains("value");
}

/// Prints what becomes of calls in their order, each as soon as that is known: whoever wrote the line may wait for its answer.
class printer {
 public:
  printer() : thread_([this] { run(); }) {}

  /// Waits while too many are under way.
  void add(pp::future<std::string> call) {
    std::unique_lock hold(lock_);
    changed_.wait(hold, [this] { return calls_.size() < most_under_way; });
    calls_.push_back(std::move(call));
    changed_.notify_all();
  }
  /// Waits for the last one. Whether all went well.
  bool finish() {
    {
      const std::lock_guard hold(lock_);
      is_last_ = true;
      changed_.notify_all();
    }
    thread_.join();
    return is_good_;
  }

 private:
  void run() {
    for (;;) {
      pp::future<std::string> next;
      {
        std::unique_lock hold(lock_);
        changed_.wait(hold, [this] { return !calls_.empty() || is_last_; });
        if (calls_.empty()) return;
        next = std::move(calls_.front());
        calls_.pop_front();
        changed_.notify_all();
      }
      is_good_ = print_end(next) && is_good_;
    }
  }

  std::mutex lock_;
  std::condition_variable changed_;
  std::deque<pp::future<std::string>> calls_;
  bool is_last_ = false, is_good_ = true;
  std::thread thread_;
};

int call_lines(pp::client& client, const pp::named_function& f, const call_options& o) {
  printer results;
  for (std::string line; std::getline(std::cin, line);) results.add(client.call(f, line, settings_of(o)));
  return results.finish() ? done : job_failed;
}

int run(const common_options& common, const call_options& o) {
  pp::client client(to_client_options(common));
  if (!look_for_nodes(client, common)) return tell_nothing_found(client);
  try {
    const auto f = find(client, o.name);
    return o.lines ? call_lines(client, f, o) : call_once(client, f, o);
  } catch (const std::invalid_argument& e) {
    std::cerr << "ppclient: " << e.what() << '\n';
    return usage;
  }
}

}  // namespace

void add_call(CLI::App& app, common_options& common, action& chosen) {
  auto* command = app.add_subcommand("call", "Run a function by its name on some node, and print its result as JSON");
  auto o = std::make_shared<call_options>();
  command->add_option("NAME", o->name, "As 'ppclient functions' shows it")->required();
  auto* words = command->add_option("ARGUMENT", o->arguments, "Each is JSON; what is not is taken as a text");
  command
      ->add_flag("--lines", o->lines,
                 "Call it once for each line of standard input, a JSON array of arguments; prints {\"value\": …} or "
                 "{\"error\": \"…\"} for each, in their order")
      ->excludes(words);
  command->add_option("--timeout", o->timeout_seconds, "Seconds a call may run (0 = as long as it takes)")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 31536000.0));
  command->callback([&common, &chosen, o] { chosen = [&common, o] { return run(common, *o); }; });
}

}  // namespace ppclient
