// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/train/trainer.h"

#include "algorithms/blazingtext/data/simple_text.h"
#include "algorithms/blazingtext/train/autotune.h"
#include "base/error.h"

namespace clary::blazingtext {
namespace {

/// The channel's text by the tokenizer that the job asks for.
Corpus text_of(shell::Channel& channel, TextRules rules) {
  Corpus out = corpus_of(channel);
  if (rules == TextRules::kSimple)
    out.open = [open = std::move(out.open)](const TextOptions& options) { return simple_text(open(options)); };
  return out;
}

/// The GPU of a GPU instance, or nothing and a line that says why.
std::unique_ptr<cuda::Gpu> choose_gpu(const std::string& instance_type, Report& report) {
  if (!is_gpu_instance(instance_type)) return nullptr;
  try {
    auto gpu = cuda::Gpu::open();
    report.gpu_found(gpu->facts());
    return gpu;
  } catch (const Error& error) {
    // A GPU instance without a usable GPU trains on its CPUs; other errors are real.
    if (error.kind() != Kind::kUnavailable) throw;
    report.no_gpu(instance_type, error.what());
    return nullptr;
  }
}

}  // namespace

bool fits_gpu(const TrainingJob& job, std::size_t bytes) {
  if (job.gpu == nullptr) return false;
  const bool fits = job.gpu->holds(bytes);
  if (!fits) job.report.gpu_too_small(bytes, job.gpu->facts());
  return fits;
}

Model train(const Hyperparameters& hp, shell::TrainContext& context) {
  JobShape shape;
  shape.instance_type = context.instance_type();
  shape.instances = context.hosts().size();
  shape.has_validation = context.has_channel("validation");
  check_job(hp, shape);
  // A copy: autotune changes it, and the report and the job refer to it.
  Hyperparameters taken = hp;
  Report report(context.log(), taken);
  const auto gpu = choose_gpu(shape.instance_type, report);
  report.running(context.hosts(), gpu != nullptr);
  TrainingJob job{taken, text_of(context.channel("train"), hp.tokenizer), std::nullopt, report};
  if (hp.is_supervised() && shape.has_validation) job.validation = text_of(context.channel("validation"), hp.tokenizer);
  job.threads = context.threads();
  job.seed = context.seed();
  job.stopped = [&context] { return context.stop_requested(); };
  job.gpu = gpu.get();
  if (shape.instances > 1) job.hosts = &context.collective();
  if (context.has_channel(kPretrainedChannel)) job.pretrained.emplace(context.channel(kPretrainedChannel));
  if (hp.autotunes()) taken = autotuned(job, context.log());
  Model model = hp.is_supervised() ? train_classifier(job) : train_word_vectors(job);
  model.tokenizer = hp.tokenizer;
  if (!context.hosts().is_first())
    context.log().info("Training is finished on this host; the model is written by {}.", context.hosts().names.front());
  return model;
}

}  // namespace clary::blazingtext
