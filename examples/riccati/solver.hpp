// The continuous-time algebraic Riccati equation of optimal control: A'X + XA - X B B' X + Q = 0.
//
// Method: the sign of the Hamiltonian matrix by Newton's iteration with determinant scaling (J. D. Roberts 1971, R. Byers 1987).
#pragma once

#include <cstddef>
#include <vector>

/// A square matrix that can travel: column by column.
struct matrix {
  std::size_t size = 0;
  std::vector<double> values;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(size, values);
  }
};

struct system_matrices {
  matrix a, b, q;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(a, b, q);
  }
};

struct solution {
  matrix x;
  double residual = 0;  ///< of the equation, relative to the largest of its terms
  int iterations = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(x, residual, iterations);
  }
};

/// A random system of that size which has a solution, the same for the same number.
system_matrices make_system(std::size_t size, unsigned number);

/// Throws std::runtime_error if the iteration does not converge: the system cannot be stabilised.
solution solve(const system_matrices& system);
