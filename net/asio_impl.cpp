// Compiles Asio once, so that no other file pays for it.
#include <boost/asio/impl/src.hpp>
