// SPDX-License-Identifier: Apache-2.0
// `clary doctor`: what this machine can and cannot do, measured or asked, one line a thing. Exit 0 even when something
// is missing: each line says what follows.
#include <fcntl.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#include "base/error.h"
#include "base/files.h"
#include "cli/commands.h"
#include "platform/sandbox/sandbox.h"
#include "platform/server/installation.h"

namespace clary::cli {

namespace fs = std::filesystem;

namespace {

void line(bool good, const char* thing, const std::string& finding) {
  std::printf("%-4s %-12s %s\n", good ? "ok" : "!!", thing, finding.c_str());
}

void report_sandbox() {
  const bool works = sandbox::sandbox_available();
  // Asked only to name the reason: installed but not permitted, or missing.
  const bool present = works || std::system("command -v bwrap >/dev/null 2>&1") == 0;
  line(works, "sandbox",
       works     ? "bubblewrap works: algorithms and user programs run isolated"
       : present ? "bubblewrap is installed but may not create namespaces: built-in algorithms run unisolated, user "
                   "programs are refused"
                 : "bubblewrap is missing (apt install bubblewrap): built-in algorithms run unisolated, user programs "
                   "are refused");
}

void report_cpu() {
  std::string features;
  for (const auto& [name, present] :
       {std::pair{"AVX2", __builtin_cpu_supports("avx2") != 0}, std::pair{"FMA", __builtin_cpu_supports("fma") != 0},
        std::pair{"AVX-512", __builtin_cpu_supports("avx512f") != 0},
        std::pair{"BF16", __builtin_cpu_supports("avx512bf16") != 0}})
    if (present) features += std::string(features.empty() ? "" : ", ") + name;
  line(!features.empty(), "CPU",
       std::to_string(std::thread::hardware_concurrency()) + " threads, " +
           (features.empty() ? "no AVX2: slow kernels" : features));
  // What jobs will get: the same function fills their environment.
  const auto compute = sandbox::compute_environment(1);
  const std::string core = compute.contains("OPENBLAS_CORETYPE") ? compute.at("OPENBLAS_CORETYPE") : "";
  line(!core.empty(), "BLAS core",
       core.empty() ? "unknown CPU: OpenBLAS chooses for itself"
                    : "OPENBLAS_CORETYPE=" + core + " is set for every algorithm");
}

void report_memory() {
  struct sysinfo info {};
  ::sysinfo(&info);
  const double gib = static_cast<double>(info.totalram) * info.mem_unit / (1 << 30);
  char text[64];
  std::snprintf(text, sizeof text, "%.1f GiB", gib);
  line(gib > 2, "memory", text);
}

void report_gpu() {
  const bool device = fs::exists("/dev/nvidiactl");
  const bool module = fs::exists(server::algorithms_folder() / "blazingtext_cuda.so");
  line(!device || module, "GPU",
       !device  ? "no NVIDIA device: algorithms run on the CPU"
       : module ? "NVIDIA device present: BlazingText trains on it in jobs on GPU instance types"
                : "NVIDIA device present, but Clary was built without nvcc: algorithms run on the CPU");
}

/// Free space, and what one durable write costs: every PUT waits for it.
void report_disk(const fs::path& data) {
  std::error_code ignored;
  // The server creates the folder too; an error shows in statvfs().
  fs::create_directories(data, ignored);
  struct statvfs space {};
  if (::statvfs(data.c_str(), &space) != 0) return line(false, "disk", data.string() + " cannot be used");
  const double free_gib = static_cast<double>(space.f_bavail) * static_cast<double>(space.f_frsize) / (1 << 30);
  const auto start = std::chrono::steady_clock::now();
  constexpr int kWrites = 10;
  // The mean of ten: a single fsync may meet a full or an empty cache of the disk.
  for (int i = 0; i < kWrites; ++i) write_file_durably(data / ".doctor", "x");
  const double ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count() / kWrites;
  fs::remove(data / ".doctor", ignored);
  char text[160];
  std::snprintf(text, sizeof text, "%s: %.0f GiB free, a durable write takes %.1f ms", data.c_str(), free_gib, ms);
  line(free_gib > 1, "disk", text);
}

/// Weights that jobs may begin from (use_pretrained_model), which no package brings.
void report_pretrained(const fs::path& data) {
  const fs::path folder = server::pretrained_folder(data);
  std::string names;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(folder, missing)) {
    const std::string form = entry.path().extension();
    if (form == ".safetensors" || form == ".pth" || form == ".pt" || form == ".onnx" || form == ".params")
      names += (names.empty() ? "" : ", ") + entry.path().filename().string();
  }
  line(!names.empty(), "pretrained",
       folder.string() + (names.empty()
                              ? ": no weights: use_pretrained_model=1 needs resnet-<layers>*.safetensors, .pth, "
                                ".onnx or .params there, or the job's channel `pretrained`"
                              : ": " + names));
}

void report_programs() {
  std::string names;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(server::algorithms_folder(), missing))
    if (entry.path().extension() == ".json") names += (names.empty() ? "" : ", ") + entry.path().stem().string();
  line(!names.empty(), "algorithms",
       names.empty() ? "none in " + server::algorithms_folder().string() + ": run bin/setup" : names);
}

}  // namespace

void add_doctor(CLI::App& app) {
  auto* command = app.add_subcommand("doctor", "Say what this machine can and cannot do");
  auto data = std::make_shared<fs::path>(default_data_folder());
  command->add_option("--data", *data, "The server's data folder")->capture_default_str();
  command->callback([data] {
    report_sandbox();
    report_cpu();
    report_memory();
    report_gpu();
    report_disk(*data);
    report_programs();
    report_pretrained(*data);
  });
}

}  // namespace clary::cli
