// A session's part in what clients offer by name: what its client offers, and what it is told of the others' offers.
#include "ppserver/session.hpp"

namespace pp::ppserver {

void session::on_offer(const net::message& m) {
  auto told = wire::decode_offer(m.view);
  auto functions = told ? offers::checked(told->functions) : std::nullopt;
  if (!functions) throw error(errc::bad_message, "malformed OFFER");
  around_.offered->end(number_);
  if (*functions == "[]") return;
  around_.offered->set(number_, {client_.who.with, told->decoder, told->function, std::move(*functions),
                                 [this, image = told->image] { return images_.manifest_of(image); }});
}

void session::on_functions_query() {
  if (may_answer())
    channel_.send(wire::message_type::functions, 0, 0, as_bytes(around_.offered->list(client_.who.with)));
}

}  // namespace pp::ppserver
