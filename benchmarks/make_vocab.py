#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`clary make-vocab` beside the method of AWS's create_vocab_proto.py in Python: parallel text to two vocabularies and a file of
records. Both write their files; the vocabularies are compared byte for byte and the records, in any order, one by one (up to 200,000
lines; of more, the size of the files).

    benchmarks/make_vocab.py [--lines 1000000] [--repeats 3] [--build build/release]

The script's method: a Counter over the words of both files, a sorted list, json.dump, then line by line a list of ids that goes
through a queue to processes (one less than there are CPUs) which make protobuf messages, and through another queue to the process
that writes them. Text: the tokenised sentences of Multi30k where they are, else made up, repeated to the number of lines.
"""
import argparse
import collections
import itertools
import json
import lzma
import multiprocessing
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import time

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/support"))
from paths import shared_data  # noqa: E402

SYMBOLS = ["<pad>", "<unk>", "<s>", "</s>"]


def record_class():
    """aialgs.data.Record, with the one kind of tensor that is used."""
    file = descriptor_pb2.FileDescriptorProto(name="record.proto", package="aialgs.data", syntax="proto2")
    field = descriptor_pb2.FieldDescriptorProto

    def message(name, owner=None):
        return (owner.nested_type if owner else file.message_type).add(name=name)

    tensor = message("Int32Tensor")
    for number, (name, kind) in enumerate((("values", field.TYPE_INT32), ("keys", field.TYPE_UINT64), ("shape", field.TYPE_UINT64)), 1):
        added = tensor.field.add(name=name, number=number, type=kind, label=field.LABEL_REPEATED)
        added.options.packed = True
    value = message("Value")
    value.field.add(name="int32_tensor", number=7, type=field.TYPE_MESSAGE, type_name=".aialgs.data.Int32Tensor",
                    label=field.LABEL_OPTIONAL)
    record = message("Record")
    entry = message("FeaturesEntry", record)
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    entry.field.add(name="value", number=2, type=field.TYPE_MESSAGE, type_name=".aialgs.data.Value", label=field.LABEL_OPTIONAL)
    record.field.add(name="features", number=1, type=field.TYPE_MESSAGE, type_name=".aialgs.data.Record.FeaturesEntry",
                     label=field.LABEL_REPEATED)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.MessageFactory(pool).GetPrototype(pool.FindMessageTypeByName("aialgs.data.Record"))


Record = record_class()


def words(line):
    return line.rstrip().split()


def vocabulary(path, most=50000, least=1):
    with open(path, encoding="utf-8", errors="replace") as lines:
        symbols = set(SYMBOLS)
        counts = collections.Counter(word for line in lines for word in words(line) if word not in symbols)
    kept = sorted(((count, word) for word, count in counts.items() if count >= least), reverse=True)
    return {word: i for i, word in enumerate(itertools.chain(SYMBOLS, itertools.islice((word for _, word in kept), most)))}


def encode(lists, records):
    for source, target in iter(lists.get, None):
        record = Record()
        record.features["source"].int32_tensor.values.extend(source)
        record.features["target"].int32_tensor.values.extend(target)
        records.put(record.SerializeToString())


def write(records, path):
    with open(path, "wb") as out:
        for data in iter(records.get, None):
            out.write(struct.pack("II", 0xced7230a, len(data)) + data + bytes(-len(data) % 4))


def with_python(source, target, folder):
    vocabularies = []
    for path, name in ((source, "vocab.src.json"), (target, "vocab.trg.json")):
        vocabularies.append(vocabulary(path))
        with open(folder / name, "w") as out:
            json.dump(vocabularies[-1], out, indent=4, ensure_ascii=False)
    lists = [multiprocessing.Queue() for _ in range(max(multiprocessing.cpu_count() - 1, 1))]
    records = multiprocessing.Queue()
    encoders = [multiprocessing.Process(target=encode, args=(queue, records)) for queue in lists]
    writer = multiprocessing.Process(target=write, args=(records, folder / "train.rec"))
    for process in (*encoders, writer):
        process.start()
    src, trg = vocabularies
    with open(source, encoding="utf-8", errors="replace") as left, open(target, encoding="utf-8", errors="replace") as right:
        kept = ((a, b) for a, b in zip(left, right) if a.strip() and b.strip())
        for queue, (a, b) in zip(itertools.cycle(lists), kept):
            queue.put(([src.get(word, src["<unk>"]) for word in words(a)], [trg.get(word, trg["<unk>"]) for word in words(b)]))
    for queue in lists:
        queue.put(None)
    for process in encoders:
        process.join()
    records.put(None)
    writer.join()


def make_text(folder, lines):
    """train.de and train.en; prints what they are."""
    paths = [folder / "train.de", folder / "train.en"]
    found = [shared_data() / f"multi30k/train.lc.norm.tok.{side}.xz" for side in ("de", "en")]
    rng = random.Random(1)
    if all(path.exists() for path in found):
        texts = [lzma.open(path, "rt", encoding="utf-8").read().splitlines() for path in found]
    else:
        names = ["w%d" % i for i in range(20000)]
        weights = list(itertools.accumulate(1 / (i + 1) for i in range(len(names))))
        texts = [[" ".join(rng.choices(names, cum_weights=weights, k=rng.randint(5, 20))) for _ in range(30000)] for _ in range(2)]
    chosen = rng.choices(range(len(texts[0])), k=lines)
    for path, text in zip(paths, texts):
        path.write_text("".join(text[i] + "\n" for i in chosen), encoding="utf-8")
    print(f"{lines:,} lines, {sum(path.stat().st_size for path in paths) / 1e6:.0f} MB of text")
    return paths


def records_of(path):
    data, at, out = path.read_bytes(), 0, collections.Counter()
    while at < len(data):
        length = struct.unpack_from("<I", data, at + 4)[0]
        record = Record.FromString(data[at + 8:at + 8 + length])
        out[tuple(record.features["source"].int32_tensor.values), tuple(record.features["target"].int32_tensor.values)] += 1
        at += 8 + length + -length % 4
    return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--lines", type=int, default=1000000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        source, target = make_text(folder, options.lines)
        (folder / "python").mkdir()
        start = time.perf_counter()
        with_python(source, target, folder / "python")
        theirs = time.perf_counter() - start
        ours = []
        for _ in range(options.repeats):
            start = time.perf_counter()
            subprocess.run([ROOT / options.build / "bin/clary", "make-vocab", "--train-source", source, "--train-target", target,
                            "--output", folder / "clary"], check=True, stderr=subprocess.DEVNULL)
            ours.append(time.perf_counter() - start)
        for file in ("vocab.src.json", "vocab.trg.json"):
            assert (folder / "clary" / file).read_bytes() == (folder / "python" / file).read_bytes(), file
        sample = options.lines <= 200000
        same_size = (folder / "clary/train.rec").stat().st_size == (folder / "python/train.rec").stat().st_size
        assert same_size and (not sample or records_of(folder / "clary/train.rec") == records_of(folder / "python/train.rec"))
        print(f"clary make-vocab {min(ours):.2f} s, the script's method in Python {theirs:.1f} s: {theirs / min(ours):.1f} times as fast")


if __name__ == "__main__":
    main()
