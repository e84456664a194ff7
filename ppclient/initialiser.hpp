// options::worker_init, put into the terms of jobs: where it lies in each image.
//
// Promises: jobs that say nothing else share their terms, so that such a job costs a look under a lock; others cost one
// more encoding. Threads: any. Must not know: nodes, workers.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "ppclient/image_book.hpp"
#include "ppclient/job_terms.hpp"

namespace pp::ppclient {

class initialiser {
 public:
  using terms = std::shared_ptr<const job_terms>;

  /// `function` may be null: then nothing is ever added. `usual` may be null, as all terms here.
  initialiser(void (*function)(), const terms& usual) : function_(function), usual_(usual) {}

  explicit operator bool() const { return function_ != nullptr; }
  /// `how` with the place of the function in that image. Throws: pp::error(errc::not_shippable) if it has none.
  terms add_to(const terms& how, std::uint32_t image, const image_book& images);

 private:
  terms made(const terms& how, std::uint32_t image, const image_book& images) const;

  void (*const function_)();
  const terms usual_;
  std::mutex lock_;
  std::vector<terms> known_;  ///< by image: the usual ones
};

}  // namespace pp::ppclient
