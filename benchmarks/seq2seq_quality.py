# SPDX-License-Identifier: Apache-2.0
"""Seq2Seq's quality over several seeds beside the same model in PyTorch after the same number of updates.

usage: chrt -i 0 nice -n 19 /usr/bin/python3 benchmarks/seq2seq_quality.py [--data multi30k|cmudict] [--cmudict dict.txt] [--cell gru|lstm]
       [--hidden 512] [--embed 512] [--updates 2000] [--rate 0.0003] [--batch 64] [--seeds 1,2,3] [--threads 1] [--test-pairs 1000]
       [--build build/release] [--results FILE]

Both train one layer each with mlp attention (seq2seq_peer.py has PyTorch's side) from starts of the same distribution, with Adam and
element-wise clipping at 1, on the same words (Multi30k German to English, words seen twice; or CMUdict, letters to phonemes), in batches
of their own shuffling. Then validation perplexity, and of test pairs by beam 5: BLEU of tokens, or phoneme and word error rates, counted
by the same function for both. Every run is kept in FILE (default build/seq2seq_quality.jsonl) as one line and not repeated: stop and start
as you like; delete FILE after a change of the code. A table follows: mean and standard deviation over the seeds, and the difference of the
means in units of its standard error; beyond two of them it is more than noise.
"""
import argparse
import json
import math
import os
import pathlib
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import time

import seq2seq_peer as peer

sys.path.insert(0, str(peer.ROOT / "tests/support"))
import ntm_job  # noqa: E402
import torch  # noqa: E402

METRICS = {"multi30k": ("perplexity", "bleu"), "cmudict": ("perplexity", "phoneme_error", "word_error")}


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + bytes([value]))


def field(number, body):
    return varint(number << 3 | 2) + varint(len(body)) + body


def record(pair):
    def side(name, ids):
        return field(1, field(1, name) + field(2, field(7, field(1, b"".join(map(varint, ids))))))
    body = side(b"source", pair[0]) + side(b"target", pair[1])
    return struct.pack("<II", 0xCED7230A, len(body)) + body + b"\0" * (-len(body) % 4)


def write_channels(data, folder):
    for channel, name, body in (("train", "train.rec", b"".join(map(record, data.train))),
                                ("validation", "val.rec", b"".join(map(record, data.validation))),
                                ("vocab", "vocab.src.json", json.dumps({w: i for i, w in enumerate(data.source)}).encode()),
                                ("vocab", "vocab.trg.json", json.dumps({w: i for i, w in enumerate(data.target)}).encode())):
        (folder / channel).mkdir(exist_ok=True)
        (folder / channel / name).write_bytes(body)


def scores(args, perplexity, hypotheses, test):
    """Of hypotheses and pairs as lists of ids."""
    references = [target for _, target in test]
    if args.data == "multi30k":
        return {"perplexity": perplexity, "bleu": 100 * peer.bleu(hypotheses, references)}
    wrong = sum(peer.edits(h, r) for h, r in zip(hypotheses, references))
    return {"perplexity": perplexity, "phoneme_error": wrong / sum(map(len, references)),
            "word_error": sum(h != r for h, r in zip(hypotheses, references)) / len(references)}


def ours(args, data, test, seed, folder):
    hyperparameters = dict(rnn_cell_type=args.cell, rnn_num_hidden=args.hidden, num_embed_source=args.embed, num_embed_target=args.embed,
                           batch_size=args.batch, learning_rate=args.rate, max_num_batches=args.updates, seed=seed,
                           checkpoint_frequency_num_batches=args.updates, max_seq_len_source=60, max_seq_len_target=60)
    program = peer.ROOT / args.build / "libexec/clary/algorithms/seq2seq"
    environment = {**os.environ, "CLARY_THREADS": str(args.threads)}
    with tempfile.TemporaryDirectory() as root:
        ntm_job.lay_out(root, hyperparameters, {name: {"path": folder / name} for name in ("train", "validation", "vocab")})
        environment["CLARY_ML_ROOT"] = root
        log = subprocess.run([program, "train"], check=True, env=environment, capture_output=True, text=True).stdout
        request = {"instances": [{"data": " ".join(data.source[i] for i in source)} for source, _ in test]}
        answer = subprocess.run([program, "predict", "application/json"], input=json.dumps(request), check=True, env=environment,
                                capture_output=True, text=True).stdout
    ids = {word: i for i, word in enumerate(data.target)}
    hypotheses = [[ids[word] for word in row["target"].split()] for row in json.loads(answer)["predictions"]]
    perplexity = float(re.findall(r"Validation-perplexity=([0-9.eE+-]+)", log)[-1])
    return scores(args, perplexity, hypotheses, test)


def pytorch(args, data, test, seed, _):
    torch.manual_seed(seed)
    model = peer.Seq2Seq(args.cell, len(data.source), len(data.target), args.embed, args.hidden)
    model.initialise()
    peer.train(model, data.train, args.updates, args.batch, seed, args.rate)
    hypotheses, _ = peer.translate(model, data, test, 5, 16)
    return scores(args, peer.perplexity(model, data.validation), hypotheses, test)


def runs(args, data, folder):
    """{program: [scores of a seed]}"""
    settings = [args.data, args.cell, args.hidden, args.embed, args.updates, args.rate, args.batch, args.test_pairs]
    done = {}
    if args.results.exists():
        for line in args.results.read_text().splitlines():
            row = json.loads(line)
            done[json.dumps(row["run"])] = row["scores"]
    test, out = data.test[:args.test_pairs], {"ours": [], "pytorch": []}
    for seed in map(int, args.seeds.split(",")):
        for name, make in (("ours", ours), ("pytorch", pytorch)):
            key = [*settings, name, seed]
            if json.dumps(key) not in done:
                start = time.perf_counter()
                done[json.dumps(key)] = make(args, data, test, seed, folder)
                with open(args.results, "a") as file:
                    print(json.dumps({"run": key, "scores": done[json.dumps(key)]}), file=file)
                print(name, f"seed {seed}", done[json.dumps(key)], f"{time.perf_counter() - start:.0f} s", flush=True)
            out[name].append(done[json.dumps(key)])
    return out


def table(args, found):
    for metric in METRICS[args.data]:
        a, b = ([row[metric] for row in found[name]] for name in ("ours", "pytorch"))
        line = f"{metric}: ours {statistics.mean(a):.4f}, PyTorch {statistics.mean(b):.4f}"
        if len(a) > 1:
            error = math.sqrt((statistics.variance(a) + statistics.variance(b)) / len(a))
            line += (f"; deviations {statistics.stdev(a):.4f}, {statistics.stdev(b):.4f}; "
                     f"difference {(statistics.mean(a) - statistics.mean(b)) / max(error, 1e-12):+.1f} standard errors")
        print(line)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=METRICS, default="multi30k")
    parser.add_argument("--cmudict", default="dict.txt")
    parser.add_argument("--cell", choices=("gru", "lstm"), default="gru")
    for name, value in (("hidden", 512), ("embed", 512), ("updates", 2000), ("batch", 64), ("threads", 1), ("test-pairs", 1000)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--rate", type=float, default=0.0003)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--results", type=pathlib.Path, default=peer.ROOT / "build/seq2seq_quality.jsonl")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    data = peer.multi30k() if args.data == "multi30k" else peer.cmudict(args.cmudict)
    with tempfile.TemporaryDirectory() as folder:
        write_channels(data, pathlib.Path(folder))
        table(args, runs(args, data, pathlib.Path(folder)))


if __name__ == "__main__":
    main()
