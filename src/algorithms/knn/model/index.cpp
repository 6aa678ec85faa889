// SPDX-License-Identifier: Apache-2.0
// See index.h.
#include "algorithms/knn/model/index.h"

#include <faiss/IndexFlat.h>
#include <faiss/IndexIVFFlat.h>
#include <faiss/IndexIVFPQ.h>
#include <faiss/impl/FaissException.h>
#include <faiss/index_io.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <omp.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <span>

#include "algorithms/knn/kernels/flat_search.h"
#include "algorithms/knn/model/index_file.h"
#include "base/error.h"
#include "base/files.h"

namespace clary::knn {
namespace {

constexpr int kPqBits = 8;
constexpr std::int64_t kPqCentroids = 1 << kPqBits;
// faiss switches to BLAS from 20 queries on; a smaller slice would lose that.
constexpr std::int64_t kQueriesPerSlice = 32;

/// faiss's parallel regions on this thread run on this thread alone while this lives.
/// The setting is one of the calling thread (an OpenMP control variable), not of the process. Without it, each thread
/// of the pool would start a team of its own.
class SerialOpenMp {
 public:
  SerialOpenMp() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  SerialOpenMp(const SerialOpenMp&) = delete;
  SerialOpenMp& operator=(const SerialOpenMp&) = delete;
  ~SerialOpenMp() { omp_set_num_threads(before_); }

 private:
  int before_;
};

/// A whole file, mapped for reading.
/// Pages are read once by check_index_file() and can be dropped by the kernel afterwards; a copy would double the
/// memory of loading.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path) {
    const UniqueFd fd = open_file(path, O_RDONLY | O_CLOEXEC);
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) throw_errno(path.string());
    size_ = static_cast<std::size_t>(status.st_size);
    if (size_ == 0) return;
    address_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (address_ == MAP_FAILED) throw_errno(path.string());
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile() {
    if (size_ != 0) ::munmap(address_, size_);
  }
  std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(address_), size_}; }

 private:
  void* address_ = nullptr;
  std::size_t size_ = 0;
};

/// Runs f; what faiss throws becomes an Error that names `what`.
template <class F>
auto guarded(const std::string& what, F f) {
  try {
    return f();
  } catch (const faiss::FaissException& error) {
    throw Error(Kind::kInternal, what + ": faiss: " + error.msg);
  }
}

/// faiss prints a warning to standard error when a centroid has fewer points than this; the trainer says it in the log.
void keep_silent(faiss::ClusteringParameters& parameters) { parameters.min_points_per_centroid = 1; }

std::unique_ptr<faiss::Index> empty_index(const IndexOptions& options) {
  const auto metric = options.l2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT;
  const auto width = static_cast<std::size_t>(options.width), nlist = static_cast<std::size_t>(options.nlist);
  if (options.type == IndexType::kFlat) return std::make_unique<faiss::IndexFlat>(options.width, metric);
  // The coarse quantiser: its rows are the centroids of the cells.
  auto cells = std::make_unique<faiss::IndexFlat>(options.width, metric);
  std::unique_ptr<faiss::IndexIVF> ivf;
  if (options.type == IndexType::kIvfFlat) {
    ivf = std::make_unique<faiss::IndexIVFFlat>(cells.get(), width, nlist, metric);
  } else {
    const auto m = static_cast<std::size_t>(options.pq_m);
    auto pq = std::make_unique<faiss::IndexIVFPQ>(cells.get(), width, nlist, m, kPqBits, metric);
    keep_silent(pq->pq.cp);
    ivf = std::move(pq);
  }
  // The index owns the quantiser from here on. No call between the two lines can throw, so that it is freed once.
  ivf->own_fields = true;
  cells.release();
  keep_silent(ivf->cp);
  ivf->nprobe = static_cast<std::size_t>(options.nprobe);
  return ivf;
}

}  // namespace

struct Index::Faiss {
  explicit Faiss(std::unique_ptr<faiss::Index> made) : index(std::move(made)) {}

  std::unique_ptr<faiss::Index> index;
  // Behind a pointer, so that the addresses of the flag and the search outlive a move of Index.
  std::once_flag searched;         // guards the making of `flat`
  std::optional<FlatSearch> flat;  // over index's vectors

  const faiss::IndexFlat& as_flat() const { return dynamic_cast<const faiss::IndexFlat&>(*index); }
};

Index::Index(const IndexOptions& options, numeric::Team& pool)
    : Index(options, pool, std::make_unique<Faiss>(empty_index(options))) {}

Index::Index(const IndexOptions& options, numeric::Team& pool, std::unique_ptr<Faiss> faiss)
    : options_(options), pool_(&pool), faiss_(std::move(faiss)) {}

Index::Index(Index&&) noexcept = default;
Index& Index::operator=(Index&&) noexcept = default;
Index::~Index() = default;

std::int64_t Index::rows() const noexcept { return faiss_->index->ntotal; }

void Index::train(const Vectors& rows) {
  // A flat index has nothing to learn.
  if (options_.type == IndexType::kFlat) return;
  if (rows.rows() < options_.nlist) {
    throw Error(Kind::kInvalid, fmt::format("knn: faiss_index_ivf_nlists: {} cells need at least as many rows, but {} "
                                            "were sampled",
                                            options_.nlist, rows.rows()));
  }
  // k-means for 256 centroids in each sub-space needs at least as many rows.
  if (options_.type == IndexType::kIvfPq && rows.rows() < kPqCentroids) {
    throw Error(Kind::kInvalid, fmt::format("knn: index_type: faiss.IVFPQ needs at least {} rows, but {} were sampled",
                                            kPqCentroids, rows.rows()));
  }
  guarded("knn: training the index", [&] { faiss_->index->train(rows.rows(), rows.data()); });
}

void Index::add(Vectors& rows) {
  if (options_.type == IndexType::kFlat) {
    // Hands the memory over: faiss's own add() would copy all rows and need twice the memory.
    auto& flat = dynamic_cast<faiss::IndexFlat&>(*faiss_->index);
    flat.ntotal = rows.rows();
    flat.codes = std::move(rows).take_bytes();
  } else {
    guarded("knn: adding rows to the index", [&] { faiss_->index->add(rows.rows(), rows.data()); });
  }
}

const FlatSearch& Index::flat_search() const {
  // Made at the first search, as training may never search. Threads that come together wait for the first.
  std::call_once(faiss_->searched, [this] {
    faiss_->flat.emplace(faiss_->as_flat().get_xb(), rows(), options_.width, options_.l2, *pool_);
  });
  return *faiss_->flat;
}

void Index::check_finite(const shell::FiniteCheck& check) const {
  const auto rows_of = [](const faiss::Index& flat) {
    const auto count = static_cast<std::size_t>(flat.ntotal) * static_cast<std::size_t>(flat.d);
    return std::span(dynamic_cast<const faiss::IndexFlat&>(flat).get_xb(), count);
  };
  if (options_.type == IndexType::kFlat) return check.array("rows", rows_of(*faiss_->index));
  const auto& ivf = dynamic_cast<const faiss::IndexIVF&>(*faiss_->index);
  check.array("cell centroids", rows_of(*ivf.quantizer));
  if (const auto* pq = dynamic_cast<const faiss::IndexIVFPQ*>(&ivf))
    return check.array("codebook", pq->pq.centroids);  // rows are codes into it
  for (std::size_t cell = 0; cell < ivf.nlist; ++cell) {
    faiss::InvertedLists::ScopedCodes codes(ivf.invlists, cell);
    const std::size_t bytes = ivf.invlists->list_size(cell) * ivf.code_size;
    check.array("rows of a cell", {reinterpret_cast<const float*>(codes.get()), bytes / sizeof(float)});
  }
}

void Index::save(const std::filesystem::path& path) const {
  guarded(path.string(), [&] { faiss::write_index(faiss_->index.get(), path.c_str()); });
}

Index Index::load(const std::filesystem::path& path, numeric::Team& pool) {
  IndexFileSummary found;
  // The file is checked before faiss sees it: faiss allocates what a header says, and its errors do not name the
  // field.
  {
    const MappedFile file(path);
    found = check_index_file(file.bytes(), path.filename().string());
  }
  std::unique_ptr<faiss::Index> read;
  try {
    read.reset(faiss::read_index(path.c_str()));
  } catch (const faiss::FaissException& error) {
    throw Error(Kind::kMalformed, path.filename().string() + ": faiss: " + error.msg);
  }
  // Kept as the file says. nprobe is the default of requests.
  Index out({found.type, found.l2, found.width, found.nlist, found.pq_m, found.nprobe}, pool,
            std::make_unique<Faiss>(std::move(read)));
  if (found.type == IndexType::kFlat && found.rows > 0) out.flat_search();  // now, not in the first request
  return out;
}

void Index::search(const float* queries, std::int64_t count, std::int64_t k, std::int64_t nprobe, float* distances,
                   std::int64_t* ids) const {
  if (count == 0) return;
  if (options_.type == IndexType::kFlat) {
    const FlatSearch& flat = flat_search();
    // Without the 8-bit copy a batch is better off with faiss's matrix product, at the price of its rounding.
    if (flat.has_copy() || count < kQueriesPerSlice) return flat.search(queries, count, k, distances, ids);
  }
  faiss::IVFSearchParameters parameters;
  parameters.nprobe = static_cast<std::size_t>(std::min(nprobe, options_.nlist));
  // A thread gets at least kQueriesPerSlice queries, so that faiss keeps using matrix products.
  const std::int64_t slices = std::clamp<std::int64_t>(count / kQueriesPerSlice, 1, pool_->size());
  const std::int64_t size = (count + slices - 1) / slices;
  pool_->run_units(slices, [&](std::int64_t slice) {
    const std::int64_t first = slice * size, here = std::min(size, count - first);
    if (here <= 0) return;
    const SerialOpenMp serial;
    guarded("knn: search", [&] {
      faiss_->index->search(here, queries + first * options_.width, k, distances + first * k, ids + first * k,
                            options_.type == IndexType::kFlat ? nullptr : &parameters);
    });
  });
}

}  // namespace clary::knn
