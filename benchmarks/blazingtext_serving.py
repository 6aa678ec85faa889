#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What BlazingText costs once it is trained, beside fasttext and gensim in one run; every answer is compared first.
  answers    body to answer in one process (blazingtext_answers): one text, 1,000 texts, 500 words; Python's fasttext does the same work
             from json.loads to json.dumps
  neighbours the 10 nearest of 71,000 random words of dimension 100, exactly: gensim's most_similar
  transform  batch transform of 100,000 JSON lines (SplitType Line, MultiRecord, JoinSource Input), from CreateTransformJob to Completed,
             with the model's start in it: `fasttext predict-prob` of the same lines, with its load
  loading    the default classifier (2,000,000 buckets of dimension 100): the job's phases, CreateEndpoint to InService, resident memory;
             fasttext.load_model of the same file
Texts: AG News. InvokeEndpoint itself: invoke_endpoint.py.
usage: /usr/bin/python3 benchmarks/blazingtext_serving.py [--only answers,neighbours,transform,loading] [RELEASE_BUILD] [BENCH_BUILD]"""
import argparse
import contextlib
import csv
import json
import lzma
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--only", default="answers,neighbours,transform,loading")
parser.add_argument("release", nargs="?", type=pathlib.Path, default=ROOT / "build/release")
parser.add_argument("bench", nargs="?", type=pathlib.Path, default=ROOT / "build/bench")
options = parser.parse_args()
os.environ["CLARY_BUILD"] = str(options.release.resolve())
sys.path.insert(0, str(ROOT / "tests/integration"))

import fasttext  # noqa: E402
import numpy as np  # noqa: E402
from blazingtext_tools import LINES, Platform  # noqa: E402
from conftest import make_server, wait_until  # noqa: E402
import job_helpers as jobs  # noqa: E402
from paths import shared_data  # noqa: E402

fasttext.FastText.eprint = lambda *_: None
AG_NEWS = shared_data() / "agnews"
ROLE = "arn:aws:iam::123456789012:role/bench"


def news(part, first):
    with lzma.open(AG_NEWS / f"{part}.csv.xz", "rt", encoding="utf8") as file:
        return [(row[0], " ".join(" ".join(row[first:]).lower().split())) for row in csv.reader(file)]


def median_of(work, seconds=1.0):
    took, end = [], time.perf_counter() + seconds
    while not took or time.perf_counter() < end:
        begin = time.perf_counter()
        work()
        took.append(time.perf_counter() - begin)
    return statistics.median(took) * 1e6


def our_answers(model, body, folder):
    """Microseconds: (median, first) of blazingtext_answers, and its answer, computed once more by `predict`."""
    path = folder / "body.json"
    path.write_text(json.dumps(body))
    out = subprocess.run([str(options.bench / "benchmarks/blazingtext_answers"), str(model), str(path), "application/json", "1"],
                         capture_output=True, text=True, check=True).stdout
    assert "status 200" in out, out
    root = folder / "ml"
    root.mkdir(exist_ok=True)
    (root / "model").unlink(missing_ok=True)
    (root / "model").symlink_to(model)
    answer = subprocess.run([str(options.release / "libexec/clary/algorithms/blazingtext"), "predict", "application/json", "application/json"],
                            env=dict(os.environ, CLARY_ML_ROOT=str(root)), stdin=open(path), capture_output=True, text=True, check=True).stdout
    return float(re.search(r"median of \d+ ([\d.]+)", out)[1]), float(re.search(r"first answer (\d+)", out)[1]), json.loads(answer)


def show(what, ours, theirs, name):
    print(f"{what:50} {ours:12,.0f} us   {name} {theirs:12,.0f} us   {theirs / ours:5.1f}x as fast", flush=True)


def train_small(folder):
    """A classifier and word vectors of fasttext's own, hosted by both."""
    (folder / "train").write_text("".join(f"__label__{label} {text}\n" for label, text in news("train-sample", 2)))
    classifier = fasttext.train_supervised(str(folder / "train"), dim=100, wordNgrams=2, bucket=200_000, epoch=3, lr=0.5, thread=2, verbose=0)
    vectors = fasttext.train_unsupervised(str(folder / "train"), dim=100, bucket=200_000, epoch=1, thread=2, verbose=0)
    for model, name in ((classifier, "model.bin"), (vectors, "vectors.bin")):
        (folder / name.split(".")[0]).mkdir()
        model.save_model(str(folder / name.split(".")[0] / name))
    return classifier, vectors


def answers(folder):
    classifier, vectors = train_small(folder)
    texts = [text for _, text in news("test", 1)]

    def predicted(body):
        return [{"label": list(labels), "prob": probabilities.tolist()}
                for labels, probabilities in (classifier.predict(text) for text in json.loads(body)["instances"])]

    def looked_up(body):
        return [{"vector": vectors.get_word_vector(word).tolist(), "word": word} for word in json.loads(body)["instances"]]

    for what, model, asked, peer in (("one text, bigrams, dimension 100", "model", texts[5:6], predicted),
                                     ("1,000 texts", "model", texts[:1000], predicted),
                                     ("500 words with subwords, dimension 100", "vectors", vectors.get_words()[100:600], looked_up)):
        body = {"instances": asked}
        ours, _, answer = our_answers(folder / model, body, folder)
        for a, b in zip(answer, peer(json.dumps(body))):
            assert a.get("label") == b.get("label") and np.allclose(a.get("prob") or a["vector"], b.get("prob") or b["vector"], atol=1e-5), (a, b)
        text = json.dumps(body)
        show(what, ours, median_of(lambda: json.dumps(peer(text))), "fasttext")


def neighbours(folder):
    from gensim.models import KeyedVectors
    words = 71_000
    table = KeyedVectors(100)
    table.add_vectors([f"w{i}" for i in range(words)], np.random.default_rng(1).normal(size=(words, 100)).astype(np.float32))
    (folder / "words").mkdir()
    table.save_word2vec_format(str(folder / "words/vectors.txt"), binary=False)
    begin = time.perf_counter()
    expected = table.most_similar("w5", topn=10)
    their_first = (time.perf_counter() - begin) * 1e6
    ours, first, answer = our_answers(folder / "words", {"instances": [{"nn": "w5", "k": 10}]}, folder)
    assert [near["word"] for near in answer[0]["nn"]] == [word for word, _ in expected], (answer, expected)
    show("10 nearest of 71,000 words, the first question", first, their_first, "gensim")
    show("10 nearest of 71,000 words", ours, median_of(lambda: table.most_similar("w5", topn=10)), "gensim")


@contextlib.contextmanager
def platform():
    server = make_server().start()
    try:
        yield Platform(server, ROLE)
    finally:
        server.stop()
        shutil.rmtree(server.folder)


def transform(folder, lines=100_000):
    if not (folder / "model").exists():
        train_small(folder)
    texts = [text for _, text in news("test", 1)]
    texts = (texts * (lines // len(texts) + 1))[:lines]
    (folder / "lines").write_text("".join(text + "\n" for text in texts))
    begin = time.perf_counter()
    theirs = subprocess.run(["fasttext", "predict-prob", str(folder / "model/model.bin"), str(folder / "lines")], capture_output=True,
                            text=True, check=True).stdout.splitlines()
    their_seconds = time.perf_counter() - begin
    with platform() as p:
        model = p.host({"model.bin": (folder / "model/model.bin").read_bytes()})
        p.put("in/x", "".join(json.dumps({"id": i, "source": text}) + "\n" for i, text in enumerate(texts)))
        begin = time.perf_counter()
        p.sm.create_transform_job(
            TransformJobName="bench", ModelName=model, BatchStrategy="MultiRecord",
            TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{jobs.BUCKET}/in/"}},
                            "ContentType": LINES, "SplitType": "Line"},
            DataProcessing={"JoinSource": "Input", "OutputFilter": "$['id','SageMakerOutput']"},
            TransformOutput={"S3OutputPath": f"s3://{jobs.BUCKET}/out", "Accept": LINES, "AssembleWith": "Line"},
            TransformResources={"InstanceType": "ml.m4.xlarge", "InstanceCount": 1})
        job = wait_until(lambda: p.sm.describe_transform_job(TransformJobName="bench"),
                         lambda j: j["TransformJobStatus"] not in ("InProgress", "Stopping"), seconds=300, every=0.02)
        seconds = time.perf_counter() - begin
        assert job["TransformJobStatus"] == "Completed", job
        rows = [json.loads(line) for line in p.s3.get_object(Bucket=jobs.BUCKET, Key="out/x.out")["Body"].read().splitlines()]
    assert [row["id"] for row in rows] == list(range(lines))
    same = sum(row["SageMakerOutput"]["label"][0] == line.split()[0] for row, line in zip(rows, theirs))
    print(f"batch transform: {seconds:.2f} s, {lines / seconds:,.0f} lines/s; fasttext predict-prob: {their_seconds:.2f} s, "
          f"{lines / their_seconds:,.0f} lines/s: {their_seconds / seconds:.1f}x; {same:,} of {lines:,} labels equal", flush=True)


def resident_mb(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) / 1000


def serving_pid():
    """Of the algorithm's process, not of the sandbox around it; no other BlazingText endpoint may run on this machine."""
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if entry.name.isdigit() and words[-2:-1] == [b"serve"] and b"bwrap" not in words[0] and b"blazingtext" in words[0]:
                return int(entry.name)
    return None


def loading(folder):
    texts = "".join(f"__label__{label} {text}\n" for label, text in news("train-sample", 2))
    with platform() as p:
        p.put("news/train", texts)
        name = p.name("default")
        p.sm.create_training_job(**jobs.request(name, ROLE, image="blazingtext:1", channels=[jobs.channel("train", "news/train")])
                                 | {"HyperParameters": {"mode": "supervised"}})
        job = jobs.end_of(p.server, name, 300)
        assert job["TrainingJobStatus"] == "Completed", job
        phases = ", ".join(f"{s['Status']} {(s['EndTime'] - s['StartTime']).total_seconds():.2f} s"
                           for s in job["SecondaryStatusTransitions"] if "EndTime" in s)
        url = job["ModelArtifacts"]["S3ModelArtifacts"]
        size = p.s3.head_object(Bucket=jobs.BUCKET, Key=url.split("/", 3)[3])["ContentLength"]
        begin = time.perf_counter()
        p.deploy(url)
        seconds = time.perf_counter() - begin
        model = next(pathlib.Path(p.server.folder).rglob("model.bin"))
        print(f"default classifier: {phases}; model.tar.gz {size / 1e6:.0f} MB, model.bin {model.stat().st_size / 1e6:.0f} MB, on disk "
              f"{model.stat().st_blocks * 512 / 1e6:.0f} MB\nCreateEndpoint to InService {seconds:.2f} s, resident {resident_mb(serving_pid()):.0f} MB")
        script = ("import time, fasttext; begin = time.perf_counter(); model = fasttext.load_model('%s')\n"
                  "print(time.perf_counter() - begin, [line.split()[1] for line in open('/proc/self/status') if line.startswith('VmRSS')][0])" % model)
        took, kilobytes = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
        print(f"fasttext.load_model of that file: {float(took):.2f} s, resident {int(kilobytes) / 1000:.0f} MB", flush=True)


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="clary-bench-"))
    try:
        for part in options.only.split(","):
            {"answers": answers, "neighbours": neighbours, "transform": transform, "loading": loading}[part](folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main()
