#include "ppclient/held.hpp"

#include <algorithm>

namespace pp::detail {
namespace {

constexpr std::size_t most_told = 16;

failed_input in_short(const ended_job& end) {
  const job_report& why = *end.why;
  return {why.id, why.label, why.node, static_cast<errc>(end.code), end.text};
}

void append(payload& to, byte_view from) { to.append(from.data(), from.size()); }

using part_views = std::vector<byte_part>;

part_views views_of(const held_call& held, const waiting_call::part& part, const payload& known) {
  part_views out;
  if (!part.is_input) out.push_back({known.data() + part.begin, part.size});
  for (std::size_t i = 0; i < part.inputs; ++i) {
    const auto value = held.ends[part.first_input + i]->value.view();
    out.push_back({value.data(), value.size()});
  }
  return out;
}

void join_as_they_are(const held_call& held, const payload& known, payload& into) {
  for (const auto& part : held.call.parts) {
    if (part.is_input) {
      append(into, held.ends[part.first_input]->value.view());
    } else {
      into.append(known.data() + part.begin, part.size);
    }
  }
}

}  // namespace

end_pointer held_call::failed() const {
  const auto found = std::find_if(ends.begin(), ends.end(), [](const auto& e) { return e && e->code != 0; });
  return found != ends.end() ? *found : nullptr;
}

payload join(const held_call& held, const payload& known) {
  payload out;
  if (held.call.assemble == nullptr) {
    join_as_they_are(held, known, out);
    return out;
  }
  std::vector<part_views> views;
  for (const auto& part : held.call.parts) views.push_back(views_of(held, part, known));
  const std::vector<std::span<const byte_part>> parts(views.begin(), views.end());
  held.call.assemble(parts, out);
  return out;
}

std::string explain(const ended_job& failed) {
  const auto& chain = failed.why->inputs;
  const failed_input began = chain.empty() ? in_short(failed) : chain.back();
  std::string text = "job " + (began.label.empty() ? began.id : "'" + began.label + "'") + ": " + began.text;
  if (!chain.empty())
    text += " (" + std::to_string(chain.size() + failed.why->inputs_left_out + 1) + " jobs before this one)";
  return text;
}

void tell_inputs(const ended_job& failed, job_report& to) {
  to.inputs = {in_short(failed)};
  to.inputs.insert(to.inputs.end(), failed.why->inputs.begin(), failed.why->inputs.end());
  to.inputs_left_out = failed.why->inputs_left_out;
  if (to.inputs.size() <= most_told) return;
  to.inputs.erase(to.inputs.end() - 2);  // what began it stays
  ++to.inputs_left_out;
}

}  // namespace pp::detail
