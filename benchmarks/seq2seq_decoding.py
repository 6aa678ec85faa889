# SPDX-License-Identifier: Apache-2.0
"""Beam search of an encoder-decoder beside the same model in plain PyTorch (seq2seq_peer.py): target words per second and BLEU.

usage: /usr/bin/python3 benchmarks/seq2seq_decoding.py MODEL [--build build/bench] [--cell gru|lstm] [--hidden 512] [--embed 512]
       [--sentences 48] [--threads 1] [--beam 5] [--updates 1000]

Multi30k, German to English, whole vocabularies (10,214 English words). MODEL is a folder of tensors, float32, named as our parameters;
without any, PyTorch trains the model for --updates first and leaves it there. Both translate the same test sentences, one at a time and
16 at a time, in one run, one after the other; the share of equal translations is printed, since both search by the same rule.
"""
import argparse
import os
import pathlib
import subprocess
import sys

import seq2seq_peer as peer  # sets what ATen and OpenBLAS read when they are loaded
import torch

ROOT = pathlib.Path(__file__).resolve().parents[1]
PRECISIONS = ("float32", "bfloat16", "int8")


def trained(args, corpus):
    model = peer.Seq2Seq(args.cell, len(corpus.source), len(corpus.target), args.embed, args.hidden)
    folder = pathlib.Path(args.model)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "output.weight").exists():
        model.initialise()
        peer.train(model, corpus.train, args.updates, 64, 1, report=100)
        for name, p in model.our_names().items():
            p.detach().numpy().tofile(folder / name)
    for name, p in model.our_names().items():
        p.data = torch.from_file(str(folder / name), size=p.numel()).view(p.shape).clone()
    return model


def write_sources(folder, corpus, pairs):
    ratios = [(len(t) + 1) / len(s) for s, t in corpus.train]
    mean = sum(ratios) / len(ratios)
    deviation = (sum((r - mean) ** 2 for r in ratios) / len(ratios)) ** 0.5
    lines = [f"{len(corpus.source)} {len(corpus.target)} {mean!r} {deviation!r}"]
    lines += [" ".join(map(str, source)) for source, _ in pairs]
    (folder / "sources").write_text("\n".join(lines) + "\n")


def ours(args, precision, together):
    program = ROOT / args.build / "benchmarks/seq2seq_decoding"
    out = subprocess.run([program, args.cell, str(args.hidden), str(args.embed), args.model, precision, str(args.beam), str(together)],
                         env={**os.environ, "CLARY_THREADS": str(args.threads)}, check=True, capture_output=True, text=True)
    first, *rest = out.stdout.splitlines()
    seconds, words = first.split()
    return [[int(word) for word in line.split()] for line in rest], float(words) / float(seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--build", default="build/bench")
    parser.add_argument("--cell", choices=("gru", "lstm"), default="gru")
    for name, value in (("hidden", 512), ("embed", 512), ("sentences", 48), ("threads", 1), ("beam", 5), ("updates", 1000)):
        parser.add_argument(f"--{name}", type=int, default=value)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    corpus = peer.multi30k(1)
    model = trained(args, corpus)
    # Sorted, so that requests of 16 hold similar lengths on both sides.
    pairs = sorted(corpus.test[:args.sentences], key=lambda pair: len(pair[0]))
    references = [target for _, target in pairs]
    write_sources(pathlib.Path(args.model), corpus, pairs)
    for together in (1, 16):
        expected, peer_rate = max((peer.translate(model, corpus, pairs, args.beam, together) for _ in range(2)), key=lambda found: found[1])
        print(f"beam {args.beam}, {together} at once: PyTorch {peer_rate:.0f} words/s, BLEU {100 * peer.bleu(expected, references):.2f}", flush=True)
        for precision in PRECISIONS:
            found, rate = ours(args, precision, together)
            equal = sum(a == b for a, b in zip(expected, found)) / len(found)
            print(f"  {precision:8} {rate:6.0f} words/s, {rate / peer_rate:5.2f}x, BLEU {100 * peer.bleu(found, references):.2f}, "
                  f"{100 * equal:.0f} % equal", flush=True)


if __name__ == "__main__":
    sys.exit(main())
