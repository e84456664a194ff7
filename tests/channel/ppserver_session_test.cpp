// A node's session over a pipe in memory: what a client is told, and what becomes of one that lies.
#include "ppserver/session.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "tests/support/channel_rig.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/wait.hpp"

namespace pp::ppserver {
namespace {

using namespace std::chrono_literals;
using wire::message_type;

struct lab_options {
  auth::role role = auth::role::submit;
  std::chrono::milliseconds heartbeat = 2s, dead_after = 10s;
};

/// A session with everything it needs, and the client's end of its channel.
class lab {
 public:
  explicit lab(const lab_options& o = {})
      : settings_(make_settings(o)),
        jobs_(std::make_unique<worker::pool>(context_.get_executor(), two_slots())),
        programs_({directory_ / "cache", settings_.cache_bytes}),
        around_{context_.get_executor(),
                *jobs_,
                programs_,
                shares_,
                settings_,
                [] { return std::string("{\"name\":\"lab\"}"); },
                [this](std::chrono::milliseconds limit) { drain_limits.push_back(limit); },
                settings_.drain_timeout,
                2,
                &offers_} {
    test::stream_pair pair(context_, nullptr);
    auth::proved_client who;
    who.key_name = "alice";
    who.as = o.role;
    auto node_end = std::make_unique<test::test_stream>(std::move(pair.second));
    auto client_end = std::make_unique<test::test_stream>(std::move(pair.first));
    session_ = std::make_unique<session>(1, std::move(node_end), session::peer{who, "10.0.0.1:1"}, around_);
    client_ = std::make_unique<net::channel>(std::move(client_end));
    spawn(session_->run(), session_ended_);
    spawn(client_->run(seen_), client_ended_);
  }
  ~lab() {
    client_->close();
    run_until([this] { return session_ended_ && client_ended_; });
    bool pool_ended = false;
    spawn(jobs_->close(), pool_ended);
    run_until([&] { return pool_ended; });
  }

  void run_until(const std::function<bool()>& condition) {
    const auto limit = now() + test::generous;
    while (!condition()) {
      context_.restart();
      context_.run_one_for(1s);
      if (now() > limit) {
        ADD_FAILURE() << "nothing more happens";
        return;
      }
    }
  }
  /// Waits for the n-th message of this type and gives it.
  test::received await(message_type type, std::size_t n = 1) {
    run_until([&] { return find(type, n) != nullptr || client_ended_; });
    const auto* found = find(type, n);
    if (found != nullptr) return *found;
    ADD_FAILURE() << "no message of type " << static_cast<int>(type);
    return {};
  }
  std::size_t count(message_type type) const {
    return static_cast<std::size_t>(std::count_if(seen_.messages.begin(), seen_.messages.end(),
                                                  [&](const auto& m) { return m.head.type == type; }));
  }
  void send(message_type type, const bytes& payload = {}, std::uint64_t job = 0, std::uint16_t attempt = 0) {
    client_->send(type, job, attempt, byte_view(payload));
  }
  void send_job(std::uint64_t job, std::uint32_t image, std::uint16_t attempt = 1) {
    bytes payload(wire::submit::size);
    wire::submit head;
    head.image = image;
    wire::encode_submit(head, payload.data());
    send(message_type::submit, payload, job, attempt);
  }
  /// Announces a program of one module with this content.
  void send_image(std::uint32_t index, const std::string& content) {
    code::manifest m;
    m.modules.push_back({"program", content.size(), auth::sha256(as_bytes(content)), {}});
    bytes payload;
    wire::encode_image({index, code::encode_manifest(m)}, payload);
    send(message_type::image, payload);
  }
  void send_content(std::uint32_t index, const std::string& content) {
    bytes payload;
    wire::encode_chunk({index, 0, 0, static_cast<std::uint32_t>(content.size()), false, as_bytes(content)}, payload);
    send(message_type::chunk, payload);
  }
  void run_steps(int n) {
    for (; n > 0; --n) context_.poll_one();
  }
  session& node() { return *session_; }
  std::vector<std::chrono::milliseconds> drain_limits;  ///< of each time the node was told to drain
  bool is_over() const { return session_ended_ && client_ended_; }

 private:
  static worker::pool_options two_slots() {
    worker::pool_options o;
    o.slots = 2;
    return o;
  }
  static config make_settings(const lab_options& o) {
    config s;
    s.name = "lab";
    s.heartbeat = o.heartbeat;
    s.dead_after = o.dead_after;
    s.drain_timeout = 7s;
    return s;
  }
  void spawn(net::awaitable<void> task, bool& ended) {
    ended = false;
    net::asio::co_spawn(context_, std::move(task), [this, &ended](const std::exception_ptr&) {
      ended = true;
      if (&ended == &client_ended_) client_->close();
    });
  }
  const test::received* find(message_type type, std::size_t n) const {
    for (const auto& m : seen_.messages) {
      if (m.head.type == type && --n == 0) return &m;
    }
    return nullptr;
  }

  test::temporary_directory directory_;
  net::io_context context_;
  const config settings_;
  std::unique_ptr<worker::pool> jobs_;
  code::store programs_;
  worker::fair_share shares_{2};
  offers offers_;
  const surroundings around_;
  std::unique_ptr<session> session_;
  std::unique_ptr<net::channel> client_;
  test::collecting_handler seen_;
  bool session_ended_ = true, client_ended_ = true;
};

std::uint16_t code_of(const test::received& result) { return wire::decode_result(result.payload)->head.code; }

TEST(Session, WelcomesWithItsSlotsCreditAndPlatform) {
  lab l;
  const auto welcome = wire::decode_welcome(l.await(message_type::welcome).payload);
  ASSERT_TRUE(welcome);
  EXPECT_EQ(welcome->slots, 2);
  EXPECT_EQ(welcome->credit, 4U);
  EXPECT_EQ(welcome->heartbeat_ms, 2000U);
  EXPECT_EQ(welcome->dead_ms, 10000U);
  EXPECT_EQ(welcome->name, "lab");
  EXPECT_EQ(welcome->machine, code::this_platform().machine);
  EXPECT_FALSE(welcome->glibc.empty());
}

TEST(Session, AnswersPingAndStatistics) {
  lab l;
  bytes token;
  wire::encode_ping({42}, token);
  l.send(message_type::ping, token);
  EXPECT_EQ(wire::decode_ping(l.await(message_type::pong).payload)->token, 42U);
  l.send(message_type::stats_query);
  EXPECT_EQ(as_text(l.await(message_type::stats).payload), "{\"name\":\"lab\"}");
}

TEST(Session, ReturnsWhatItDoesNotKnowAndStays) {
  lab l;
  l.send(static_cast<message_type>(200), bytes(5));
  l.send(message_type::welcome);  // known, but not from a client
  EXPECT_EQ(wire::decode_unsupported(l.await(message_type::unsupported).payload)->type, 200);
  EXPECT_EQ(wire::decode_unsupported(l.await(message_type::unsupported, 2).payload)->type, 1);
  l.send(message_type::unsupported, bytes{1});
  l.send(message_type::stats_query);
  l.await(message_type::stats);
  EXPECT_EQ(l.count(message_type::unsupported), 2U) << "never answered in kind";
}

TEST(Session, EndsClientsThatSendNonsenseAndTellsThemWhy) {
  const bytes job(wire::submit::size);
  const std::vector<std::tuple<const char*, message_type, bytes, std::uint64_t>> lies = {
      {"malformed SUBMIT", message_type::submit, bytes(5), 1},
      {"image 0 was never sent", message_type::submit, job, 1},
      {"SUBMIT without a job", message_type::submit, job, 0},
      {"malformed IMAGE", message_type::image, bytes(2), 0},
      {"malformed image", message_type::image, bytes(40), 0},
      {"IMAGE is too long", message_type::image, bytes((1U << 20U) + 1), 0},
      {"malformed CHUNK", message_type::chunk, bytes(3), 0},
      {"image 0 was never sent", message_type::chunk, bytes(22), 0},
      {"malformed CANCEL", message_type::cancel, bytes(2), 1},
      {"malformed PING", message_type::ping, bytes(7), 0},
      {"malformed OFFER", message_type::offer, bytes(5), 0},
      {"malformed OFFER", message_type::offer, bytes(30), 0},
      {"malformed GOODBYE", message_type::goodbye, bytes(1), 0}};
  for (const auto& [words, type, payload, about] : lies) {
    lab l;
    l.send(type, payload, about, about == 0 ? 0 : 1);
    const auto bye = wire::decode_goodbye(l.await(message_type::goodbye).payload);
    ASSERT_TRUE(bye) << words;
    EXPECT_EQ(bye->reason, static_cast<std::uint16_t>(errc::bad_message));
    EXPECT_EQ(bye->text, words);
    l.run_until([&] { return l.is_over(); });
  }
}

TEST(Session, EndsAClientFarBeyondItsCredit) {
  lab l;
  l.send_image(0, "content that never comes");
  for (std::uint64_t job = 1; job <= 200; ++job) l.send_job(job, 0);
  const auto bye = wire::decode_goodbye(l.await(message_type::goodbye).payload);
  ASSERT_TRUE(bye);
  EXPECT_NE(bye->text.find("credit"), std::string::npos);
  l.run_until([&] { return l.is_over(); });
}

TEST(Session, LetsAnObserverAskButNotSubmit) {
  lab l({.role = auth::role::observe});
  l.send(message_type::stats_query);
  l.await(message_type::stats);
  l.send_job(1, 0);
  EXPECT_NE(wire::decode_goodbye(l.await(message_type::goodbye).payload)->text.find("observes"), std::string::npos);
}

TEST(Session, ListsWhatItsClientOffersOnceTheProgramIsHere) {
  lab l;
  const std::string content = "a program";
  auto list = [&, n = std::size_t{0}]() mutable {
    l.send(message_type::functions_query);
    return std::string(as_text(l.await(message_type::functions, ++n).payload));
  };
  l.send_image(1, content);
  bytes payload;
  wire::encode_offer({1, 16, 32, R"~([{"name":"f","signature":"int f()","help":""}])~"}, payload);
  l.send(message_type::offer, payload);
  l.await(message_type::need);
  EXPECT_EQ(list(), "[]");
  l.send_content(1, content);
  EXPECT_NE(list().find(R"("decoder":"10","function":"20")"), std::string::npos);
  payload.clear();
  wire::encode_offer({1, 16, 32, "[]"}, payload);
  l.send(message_type::offer, payload);
  EXPECT_EQ(list(), "[]") << "taken back";
}

TEST(Session, AsksForAProgramAndGivesHeldJobsBackOnRecall) {
  lab l;
  l.send_image(3, "content that never comes");
  l.send_job(7, 3, 2);
  const auto need = wire::decode_need(l.await(message_type::need).payload);
  ASSERT_TRUE(need);
  EXPECT_EQ(need->index, 3U);
  bytes recall;
  wire::encode_cancel({}, recall);
  l.send(message_type::cancel, recall, 7);
  const auto result = l.await(message_type::result);
  EXPECT_EQ(result.head.job, 7U);
  EXPECT_EQ(result.head.attempt, 2);
  EXPECT_EQ(code_of(result), wire::code_not_started);
  EXPECT_EQ(result.payload[0], 1) << "its credit comes back";
}

bytes encoded_cancel(wire::cancel_reason why) {
  bytes payload;
  wire::encode_cancel({why}, payload);
  return payload;
}

TEST(Session, CancelsAHeldJobAtOnce) {
  lab l;
  l.send_image(0, "content that never comes");
  l.send_job(1, 0);
  l.await(message_type::need);
  l.send(message_type::cancel, encoded_cancel(wire::cancel_reason::cancel), 1, 1);
  EXPECT_EQ(code_of(l.await(message_type::result)), static_cast<std::uint16_t>(errc::cancelled));
}

TEST(Session, PassesOverACancelOfAJobThatIsGone) {
  lab l;
  l.send(message_type::cancel, encoded_cancel(wire::cancel_reason::cancel), 77, 1);
  l.send(message_type::ping, bytes(8));
  l.await(message_type::pong);
  EXPECT_EQ(l.count(message_type::result), 0U);
}

TEST(Session, DrainsItsNodeForAnAdmin) {
  lab_options o;
  o.role = auth::role::admin;
  lab l(o);
  bytes payload;
  wire::encode_drain({1500}, payload);
  l.send(message_type::drain, payload);
  l.run_until([&] { return !l.drain_limits.empty(); });
  EXPECT_EQ(l.drain_limits, std::vector{1500ms});
}

TEST(Session, DrainsItsNodeForNobodyElse) {
  lab l;
  bytes payload;
  wire::encode_drain({0}, payload);
  l.send(message_type::drain, payload);
  const auto bye = wire::decode_goodbye(l.await(message_type::goodbye).payload);
  ASSERT_TRUE(bye);
  EXPECT_NE(bye->text.find("admin"), std::string::npos) << bye->text;
  EXPECT_TRUE(l.drain_limits.empty());
}

TEST(Session, TellsHowWellJobsAreKeptApart) {
  lab l;
  EXPECT_EQ(wire::decode_welcome(l.await(message_type::welcome).payload)->isolation, 2);
}

TEST(Session, TellsThatAProgramCannotRunAndGivesItsJobsBack) {
  lab l;
  const std::string no_program = "this is not a program";
  l.send_image(0, no_program);
  for (const std::uint64_t job : {1, 2, 3}) l.send_job(job, 0);
  l.await(message_type::need);
  l.send_content(0, no_program);
  const auto unfit = wire::decode_unfit(l.await(message_type::unfit).payload);
  ASSERT_TRUE(unfit);
  EXPECT_EQ(unfit->index, 0U);
  EXPECT_FALSE(unfit->reason.empty());
  EXPECT_EQ(code_of(l.await(message_type::result, 3)), wire::code_not_started);
  l.send_job(4, 0);
  EXPECT_EQ(l.await(message_type::result, 4).head.job, 4U) << "one that was under way comes back as well";
  EXPECT_EQ(l.node().numbers().outstanding, 0U);
}

TEST(Session, ClosesASilentClient) {
  lab l({.heartbeat = 10ms, .dead_after = 50ms});
  l.run_until([&] { return l.is_over(); });
  EXPECT_GE(l.count(message_type::ping), 1U) << "it was asked for a sign of life";
}

TEST(Session, EndsQuietlyWhenTheClientSaysGoodbye) {
  lab l;
  bytes payload;
  wire::encode_goodbye({}, payload);
  l.send(message_type::goodbye, payload);
  l.run_until([&] { return l.is_over(); });
  EXPECT_EQ(l.count(message_type::goodbye), 0U);
}

TEST(Session, GivesBackWhatHasNotBegunWhenTheNodeDrains) {
  lab l;
  l.send_image(0, "content that never comes");
  l.send_job(1, 0);
  l.await(message_type::need);
  l.node().drain();
  const auto bye = wire::decode_goodbye(l.await(message_type::goodbye).payload);
  ASSERT_TRUE(bye);
  EXPECT_EQ(bye->reason, static_cast<std::uint16_t>(errc::shutting_down));
  EXPECT_EQ(bye->drain_ms, 7000U);
  EXPECT_EQ(code_of(l.await(message_type::result)), wire::code_not_started);
  l.send_job(2, 0);
  EXPECT_EQ(l.await(message_type::result, 2).head.job, 2U) << "what the client sent before it read GOODBYE";
  EXPECT_FALSE(l.is_over());
  l.node().leave(errc::shutting_down, "");
  l.run_until([&] { return l.is_over(); });
  EXPECT_EQ(l.count(message_type::goodbye), 1U);
}

TEST(Session, SaysWhyItSendsAClientAwayBeforeItCloses) {
  lab l;
  l.await(message_type::welcome);
  l.node().leave(errc::refused, "this client's key was taken away");
  const auto bye = wire::decode_goodbye(l.await(message_type::goodbye).payload);
  ASSERT_TRUE(bye);
  EXPECT_EQ(bye->text, "this client's key was taken away");
  l.run_until([&] { return l.is_over(); });
}

TEST(Session, EndsCleanlyWhereverTheClientBreaksOff) {
  for (int n = 0; n < 12; ++n) {
    lab l;
    l.send_image(0, "content that never comes");
    l.send_job(1, 0);
    l.run_steps(n);
    // The destructor closes the client's end wherever it stands and waits for the session to end.
  }
}

}  // namespace
}  // namespace pp::ppserver
