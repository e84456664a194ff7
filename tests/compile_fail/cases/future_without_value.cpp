// expect: pp: a pp::future<void> gives no value to pass on
#include "pp/client.hpp"

int add_one(int n);
void use(pp::client& client, pp::future<void>& job) { client.submit(add_one, job).get(); }
