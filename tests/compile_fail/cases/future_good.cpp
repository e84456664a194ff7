// Futures as arguments, and jobs that come after others.
#include "pp/client.hpp"

int add(int a, double b);
double total(const std::vector<double>& all);
void use(pp::client& client, pp::future<int>& job, std::vector<pp::future<double>>& many) {
  client.submit(add, job, client.submit(total, many)).get();
  client.submit({.after = {job, many[0]}}, total, std::move(many)).get();
}
