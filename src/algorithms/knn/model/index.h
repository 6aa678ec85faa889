// SPDX-License-Identifier: Apache-2.0
// The stored vectors: a faiss index (Flat, IVFFlat, IVFPQ under L2 or inner product) and its search. Flat is searched
// by our own kernels (flat_search.h), the IVF kinds by faiss, one slice of the queries per pool thread with faiss's own
// threading off: requests run in parallel already. Immutable after building; search() from any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "algorithms/knn/data/vectors.h"
#include "algorithms/knn/hyperparameters.h"
#include "learning/numeric/team.h"
#include "learning/shell/finite_check.h"

namespace clary::knn {

struct IndexOptions {
  IndexType type = IndexType::kFlat;
  bool l2 = true;
  std::int64_t width = 1;
  std::int64_t nlist = 1;   // IVF
  std::int64_t pq_m = 1;    // IVFPQ; divides width
  std::int64_t nprobe = 5;  // IVF
};

class FlatSearch;

class Index {
 public:
  /// Untrained and empty. The pool must outlive the index.
  Index(const IndexOptions& options, numeric::Team& pool);
  Index(Index&&) noexcept;
  Index& operator=(Index&&) noexcept;
  ~Index();

  /// k-means of the IVF kinds; nothing for Flat. @throws Error{kInvalid} when there are fewer rows than centroids
  void train(const Vectors& rows);
  /// Once, after train(). Flat takes the memory over and leaves `rows` empty; the IVF kinds copy.
  void add(Vectors& rows);

  void check_finite(const shell::FiniteCheck& check) const;
  /// faiss's own file format. @throws Error
  void save(const std::filesystem::path& path) const;
  /// @throws Error{kMalformed} naming the file and what is wrong in it; safe for any bytes
  static Index load(const std::filesystem::path& path, numeric::Team& pool);

  const IndexOptions& options() const noexcept { return options_; }
  std::int64_t rows() const noexcept;

  /// Best first (smallest squared L2, largest inner product), ids -1 where the probed cells hold fewer than k.
  /// @param k  1 .. rows()
  /// @param nprobe  IVF only; cells searched, more than there are means all
  /// @param distances, ids  [count, k]
  void search(const float* queries, std::int64_t count, std::int64_t k, std::int64_t nprobe, float* distances,
              std::int64_t* ids) const;

 private:
  struct Faiss;  // keeps faiss's headers out of this one
  Index(const IndexOptions& options, numeric::Team& pool, std::unique_ptr<Faiss> faiss);
  /// Flat only; made at the first call (training alone needs none).
  const FlatSearch& flat_search() const;

  IndexOptions options_;
  numeric::Team* pool_;
  std::unique_ptr<Faiss> faiss_;
};

}  // namespace clary::knn
