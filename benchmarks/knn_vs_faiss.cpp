// SPDX-License-Identifier: Apache-2.0
// k-NN beside faiss called directly, in one process on the same threads: index build, batch query, one query at a time.
// Prints one line per measurement and a ratio (ours / faiss's; below 1 is faster). knn_vs_faiss.py runs it once per
// OpenBLAS kernel choice. usage: knn_vs_faiss [rows [width [threads]]]
#include <faiss/IndexFlat.h>
#include <faiss/IndexIVFFlat.h>
#include <faiss/IndexIVFPQ.h>
#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <random>
#include <thread>
#include <vector>

#include "algorithms/knn/kernels/kernels.h"
#include "algorithms/knn/model/index.h"

namespace {

using namespace clary::knn;
using Floats = std::vector<float>;

constexpr std::int64_t kBatch = 1000, kNearest = 10;

double seconds(const std::function<void()>& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

/// Alternates the two so that both meet the same noise; compares medians.
void compare(const char* what, int rounds, const std::function<double()>& ours, const std::function<double()>& theirs) {
  std::vector<double> a, b;
  for (int i = 0; i < rounds; ++i) {
    a.push_back(ours());
    b.push_back(theirs());
  }
  fmt::print("{:<44} ours {:>10.3f} ms   faiss {:>10.3f} ms   ratio {:.3f}\n", what, median(a) * 1e3, median(b) * 1e3,
             median(a) / median(b));
  std::fflush(stdout);
}

Vectors gaussian(std::int64_t rows, std::int64_t width, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Vectors out(rows, width);
  for (std::int64_t i = 0; i < rows * width; ++i) out.data()[i] = normal(random);
  return out;
}

/// Bytes per second at which `threads` threads read `bytes` bytes (dot products: nothing but loads and multiply-adds).
double read_bandwidth(const float* data, std::int64_t count, int threads) {
  constexpr std::size_t kChunk = 4096;
  const Floats other(kChunk, 1);
  std::vector<double> times;
  for (int round = 0; round < 7; ++round) {
    times.push_back(seconds([&] {
      std::vector<std::thread> readers;
      for (int t = 0; t < threads; ++t) {
        readers.emplace_back([&, t] {
          float sum = 0;
          const std::int64_t chunks = count / static_cast<std::int64_t>(kChunk);
          for (std::int64_t c = t * chunks / threads; c < (t + 1) * chunks / threads; ++c) {
            sum += kernels().inner_product(data + c * static_cast<std::int64_t>(kChunk), other.data(), kChunk);
          }
          volatile float sink = sum;
          (void)sink;
        });
      }
      for (std::thread& reader : readers) reader.join();
    }));
  }
  return static_cast<double>(count) * 4 / *std::min_element(times.begin(), times.end());
}

struct Setup {
  std::int64_t rows, width;
  int threads;
  numeric::Team& pool;
  const Vectors& data;
  const Vectors& queries;
};

std::unique_ptr<faiss::Index> faiss_index(const Setup& s, const IndexOptions& o) {
  if (o.type == IndexType::kFlat) return std::make_unique<faiss::IndexFlatL2>(s.width);
  auto* cells = new faiss::IndexFlatL2(s.width);
  const auto width = static_cast<std::size_t>(s.width), nlist = static_cast<std::size_t>(o.nlist);
  std::unique_ptr<faiss::IndexIVF> out;
  if (o.type == IndexType::kIvfFlat) out = std::make_unique<faiss::IndexIVFFlat>(cells, width, nlist);
  if (o.type == IndexType::kIvfPq) {
    out = std::make_unique<faiss::IndexIVFPQ>(cells, width, nlist, static_cast<std::size_t>(o.pq_m), 8);
  }
  out->own_fields = true;
  out->nprobe = static_cast<std::size_t>(o.nprobe);
  return out;
}

void run(const char* name, const Setup& s, const IndexOptions& o, int builds) {
  std::unique_ptr<faiss::Index> theirs;
  std::unique_ptr<Index> ours;
  compare(
      fmt::format("{}: build", name).c_str(), builds,
      [&] {
        Vectors rows = s.data;  // the sample, which the index takes over
        ours.reset();
        return seconds([&] {
          ours = std::make_unique<Index>(o, s.pool);
          ours->train(rows);
          ours->add(rows);
        });
      },
      [&] {
        theirs.reset();
        return seconds([&] {
          theirs = faiss_index(s, o);
          if (!theirs->is_trained) theirs->train(s.rows, s.data.data());
          theirs->add(s.rows, s.data.data());
        });
      });
  Floats distances(kBatch * kNearest), their_distances(kBatch * kNearest);
  std::vector<std::int64_t> ids(distances.size()), their_ids(distances.size());
  const auto mine = [&](std::int64_t first, std::int64_t count) {
    ours->search(s.queries.row(first), count, kNearest, o.nprobe, distances.data() + first * kNearest,
                 ids.data() + first * kNearest);
  };
  const auto other = [&](std::int64_t first, std::int64_t count) {
    theirs->search(count, s.queries.row(first), kNearest, their_distances.data() + first * kNearest,
                   their_ids.data() + first * kNearest);
  };
  fmt::print("{:<44} {:>10.3f} ms (once, when a model is loaded)\n", fmt::format("{}: first query", name),
             seconds([&] { mine(0, 1); }) * 1e3);
  compare(
      fmt::format("{}: batch of {}, k={}", name, kBatch, kNearest).c_str(), 5,
      [&] { return seconds([&] { mine(0, kBatch); }); }, [&] { return seconds([&] { other(0, kBatch); }); });
  std::int64_t a = 0, b = 0;
  constexpr std::int64_t kSingles = 200;
  compare(
      fmt::format("{}: one query at a time", name).c_str(), kSingles, [&] { return seconds([&] { mine(a++, 1); }); },
      [&] { return seconds([&] { other(b++, 1); }); });
  std::int64_t same = 0;
  for (std::size_t i = 0; i < kSingles * kNearest; ++i) same += ids[i] == their_ids[i] ? 1 : 0;
  fmt::print("{:<44} {} of {} neighbours the same\n", fmt::format("{}: agreement", name), same, kSingles * kNearest);
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t rows = argc > 1 ? std::atoll(argv[1]) : 200'000, width = argc > 2 ? std::atoll(argv[2]) : 128;
  const int threads = argc > 3 ? std::atoi(argv[3]) : static_cast<int>(std::thread::hardware_concurrency());
  omp_set_num_threads(threads);
  numeric::Team pool(threads, numeric::Team::Shared());
  const Vectors data = gaussian(rows, width, 1), queries = gaussian(kBatch, width, 2);
  const Setup setup{rows, width, threads, pool, data, queries};
  const char* core = std::getenv("OPENBLAS_CORETYPE");
  fmt::print("{} x {}, {} threads, kernels {}, OPENBLAS_CORETYPE={}\n", rows, width, threads, kernels().name,
             core != nullptr ? core : "(unset)");
  const double bandwidth = read_bandwidth(data.data(), rows * width, threads);
  fmt::print("reading the vectors as fast as possible: {:.1f} GB/s, {:.3f} ms\n", bandwidth / 1e9,
             static_cast<double>(rows * width * 4) / bandwidth * 1e3);
  run("Flat", setup, {IndexType::kFlat, true, width}, 5);
  const auto nlist = automatic_nlists(rows);
  run("IVFFlat", setup, {IndexType::kIvfFlat, true, width, nlist, 1, 5}, 3);
  run("IVFPQ", setup, {IndexType::kIvfPq, true, width, nlist, 8, 5}, 1);
  fmt::print("reading the vectors as fast as possible, again: {:.1f} GB/s\n",
             read_bandwidth(data.data(), rows * width, threads) / 1e9);
}
