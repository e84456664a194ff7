#include "ppclient/initialiser.hpp"

#include "pp/error.hpp"
#include "wire/terms.hpp"

namespace pp::ppclient {

initialiser::terms initialiser::made(const terms& how, std::uint32_t image, const image_book& images) const {
  const auto* const address = reinterpret_cast<const void*>(function_);
  const auto where = images[image].locate(address);
  if (!where) {
    const auto why = code::describe_stranger(address);
    throw error(errc::not_shippable,
                "options.worker_init: " + (!why.empty() ? why
                                                        : "the function lies in no file of this "
                                                          "program: pass a function of the program"));
  }
  auto out = how ? std::make_shared<job_terms>(*how) : std::make_shared<job_terms>();
  auto sent = wire::decode_terms(out->encoded).value();
  sent.initialiser = *where;
  out->encoded.clear();
  wire::encode_terms(sent, out->encoded);
  return out;
}

initialiser::terms initialiser::add_to(const terms& how, std::uint32_t image, const image_book& images) {
  if (how && how != usual_) return made(how, image, images);
  const std::lock_guard hold(lock_);
  if (known_.size() <= image) known_.resize(image + 1);
  if (!known_[image]) known_[image] = made(how, image, images);
  return known_[image];
}

}  // namespace pp::ppclient
