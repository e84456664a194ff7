/// Everything, for people in a hurry.
///
/// Not pp/asio.hpp: that one needs Boost.
#pragma once

#include "pp/checkout.hpp"
#include "pp/client.hpp"
#include "pp/error.hpp"
#include "pp/function.hpp"
#include "pp/future.hpp"
#include "pp/futures.hpp"
#include "pp/init.hpp"
#include "pp/options.hpp"
#include "pp/progress.hpp"
#include "pp/shared.hpp"
#include "pp/this_job.hpp"
#include "pp/worker.hpp"
