// The worker's end of client::try_map: what an item threw, in bytes among the results of the others.
#include "pp/detail/chunk_forms.hpp"
#include "worker/thrown.hpp"

namespace pp::detail {

void put_exception(payload& out, const std::exception_ptr& thrown) {
  const wire::failure why = worker::failure_of(thrown);
  encode(out, why.type);
  encode(out, why.what);
  byte_sink(out).announce(why.causes.size());
  for (const auto& cause : why.causes) {
    encode(out, cause.type);
    encode(out, cause.what);
  }
}

}  // namespace pp::detail
