#include "solver.hpp"

#include <algorithm>
#include <cmath>
#include <random>
#include <stdexcept>

#include <Eigen/Dense>

namespace {

using dense = Eigen::MatrixXd;

dense to_dense(const matrix& m) {
  const auto n = static_cast<Eigen::Index>(m.size);
  return Eigen::Map<const dense>(m.values.data(), n, n);
}
matrix to_matrix(const dense& m) { return {static_cast<std::size_t>(m.rows()), {m.data(), m.data() + m.size()}}; }

/// |det|^(-1/n), which brings the eigenvalues near to the unit circle.
double scale_of(const Eigen::PartialPivLU<dense>& lu) {
  const auto diagonal = lu.matrixLU().diagonal().cwiseAbs().eval();
  return std::exp(-diagonal.array().log().sum() / static_cast<double>(diagonal.size()));
}

dense sign_of(dense z, int& iterations) {
  for (iterations = 1; iterations <= 100; ++iterations) {
    const Eigen::PartialPivLU<dense> lu(z);
    const double scale = scale_of(lu);
    const dense next = (scale * z + lu.inverse() / scale) / 2;
    const double change = (next - z).norm();
    z = next;
    if (change <= 1e-12 * z.norm()) return z;
  }
  throw std::runtime_error("the iteration does not converge: has the system uncontrollable unstable parts?");
}

}  // namespace

system_matrices make_system(std::size_t size, unsigned number) {
  std::mt19937_64 random(number);
  std::normal_distribution<double> normal;
  const auto n = static_cast<Eigen::Index>(size);
  const auto any = [&] {
    return dense::NullaryExpr(n, n, [&] { return normal(random) / std::sqrt(double(n)); }).eval();
  };
  const dense c = any();
  return {to_matrix(any()), to_matrix(any() + dense::Identity(n, n)),
          to_matrix(c * c.transpose() + dense::Identity(n, n))};
}

solution solve(const system_matrices& system) {
  const dense a = to_dense(system.a), b = to_dense(system.b), q = to_dense(system.q);
  const auto n = a.rows();
  const dense g = b * b.transpose();
  dense hamiltonian(2 * n, 2 * n);
  hamiltonian << a, -g, -q, -a.transpose();

  solution out;
  const dense sign = sign_of(hamiltonian, out.iterations);
  dense left(2 * n, n), right(2 * n, n);
  left << sign.topRightCorner(n, n), sign.bottomRightCorner(n, n) + dense::Identity(n, n);
  right << sign.topLeftCorner(n, n) + dense::Identity(n, n), sign.bottomLeftCorner(n, n);
  const dense solved = left.colPivHouseholderQr().solve(-right);
  const dense x = (solved + solved.transpose()) / 2;
  const dense error = a.transpose() * x + x * a - x * g * x + q;
  out.residual = error.norm() / std::max({q.norm(), (x * g * x).norm(), (x * a).norm()});
  out.x = to_matrix(x);
  return out;
}
