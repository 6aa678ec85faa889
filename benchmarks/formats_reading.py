#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""CSV reading beside pandas' C reader, RecordIO-protobuf reading beside libprotobuf, each ratio from one run.

usage: benchmarks/formats_reading.py [--build build/bench] [--repeats 7] [--scale 1.0] [--json FILE]

CSV: both sides read the same file from the page cache into float32 rows. Records: both decode the same bytes in memory
into the same batches ("from the file": ours maps the file besides). The sides take turns, the best of the repeats counts,
and the sums of all numbers must agree. pandas reads with dtype=float32, header=None, engine="c" (its fastest setting for
this); libprotobuf parses into one reused Record and copies the numbers into a batch ("to rows"), or only parses ("parse only").
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np
import pandas as pd

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def varint(n):
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def record(tensor):
    body = field(1, field(1, b"values") + field(2, field(2, tensor)))
    return b"\x0a\x23\xd7\xce" + len(body).to_bytes(4, "little") + body + b"\0" * (-len(body) % 4)


def csv_files(folder, scale):
    rng = np.random.default_rng(1)
    n = lambda rows: max(int(rows * scale), 10)
    sizes = [
        ("counts 2000 words", n(6000), 2000, lambda r, c: rng.poisson(0.05, (r, c)), "%d"),
        ("integers to 5 digits", n(60000), 100, lambda r, c: rng.integers(0, 100000, (r, c)), "%d"),
        ("decimals %.4f", n(60000), 100, lambda r, c: rng.normal(0, 10, (r, c)), "%.4f"),
        ("shortest float32", n(40000), 100, lambda r, c: rng.normal(0, 1, (r, c)).astype(np.float32), None),
        ("numpy.savetxt %.18e", n(20000), 100, lambda r, c: rng.normal(0, 1, (r, c)), "%.18e"),
    ]
    for name, rows, columns, make, form in sizes:
        path = os.path.join(folder, name.split()[0] + ".csv")
        data = make(rows, columns)
        if form:
            line = ",".join([form] * columns)
            with open(path, "w") as out:
                for row in data:
                    out.write(line % tuple(row) + "\n")
        else:
            pd.DataFrame(data).to_csv(path, header=False, index=False)
        yield name, path


def record_files(folder, scale):
    rng = np.random.default_rng(2)
    shapes = [("dense 100", 100, 60000, None), ("dense 784", 784, 10000, None), ("sparse 100 of 2000", 2000, 40000, 100),
              ("sparse 100 of 50000", 50000, 40000, 100)]
    for name, width, rows, kept in shapes:
        path = os.path.join(folder, name.replace(" ", "-") + ".pbr")
        with open(path, "wb") as out:
            for _ in range(max(int(rows * scale), 10)):
                if kept is None:
                    out.write(record(field(1, rng.normal(size=width).astype("<f4").tobytes())))
                else:
                    keys = np.unique(rng.integers(0, width, kept))
                    values = rng.integers(1, 9, len(keys)).astype("<f4")
                    packed = b"".join(varint(int(k)) for k in keys)
                    out.write(record(field(1, values.tobytes()) + field(2, packed) + field(3, varint(width))))
        yield name, path


def run(program, *args):
    return json.loads(subprocess.run([program, *map(str, args)], check=True, capture_output=True, text=True).stdout)


def best_of(repeats, *sides):
    """Each side is a function that returns seconds or a result; they take turns."""
    results = [[] for _ in sides]
    for _ in range(repeats):
        for side, kept in zip(sides, results):
            kept.append(side())
    return [min(kept, key=lambda r: r["seconds"]) for kept in results]


def pandas_side(path):
    def read():
        start = time.perf_counter()
        frame = pd.read_csv(path, header=None, dtype=np.float32, engine="c")
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "rows": len(frame), "sum": float(frame.to_numpy(np.float64).sum())}

    return read


def check(name, ours, peer):
    tolerance = 1e-4 * max(abs(ours["sum"]), 1) + 1e-3
    if ours["rows"] != peer["rows"] or abs(ours["sum"] - peer["sum"]) > tolerance:
        sys.exit(f"{name}: the two sides read different rows: {ours} {peer}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "bench"))
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--json")
    options = parser.parse_args()
    program = os.path.join(options.build, "benchmarks", "formats_reading")
    lines = []

    def report(name, path, peer_name, ours, peer, goal):
        megabytes = os.path.getsize(path) / 1e6
        line = {"what": name, "peer": peer_name, "ours_mb_s": megabytes / ours["seconds"],
                "peer_mb_s": megabytes / peer["seconds"], "ratio": peer["seconds"] / ours["seconds"], "goal": goal}
        lines.append(line)
        print(f"{name:42} {line['ours_mb_s']:8.0f} MB/s   {peer_name:26} {line['peer_mb_s']:8.0f} MB/s   "
              f"ratio {line['ratio']:6.2f}   goal {goal}", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        for name, path in csv_files(folder, options.scale):
            clary = lambda threads, *more: lambda: run(program, "clary", path, "text/csv;label_size=0", threads, 1, *more)
            peer, one, two, sparse = best_of(options.repeats, pandas_side(path), clary(1), clary(2), clary(1, "sparse"))
            for ours, label in [(one, ""), (two, ", 2 threads"), (sparse, ", to CSR")]:
                check(name, ours, peer)
                report("csv " + name + label, path, "pandas C reader", ours, peer, 3)
            os.remove(path)
        for name, path in record_files(folder, options.scale):
            clary = lambda threads, *more: lambda: run(program, "clary", path, "", threads, 5, *more)
            peer = lambda mode: lambda: run(program, "protobuf", path, mode, 5)
            one, file, parse, rows = best_of(options.repeats, clary(1, "memory"), clary(1), peer("parse"), peer("rows"))
            check(name, one, rows)
            report("records " + name, path, "libprotobuf, to rows", one, rows, 2)
            report("records " + name, path, "libprotobuf, parse only", one, parse, "-")
            report("records " + name + ", from the file", path, "libprotobuf, to rows", file, rows, "-")
            os.remove(path)
    if options.json:
        with open(options.json, "w") as out:
            json.dump(lines, out, indent=1)


main()
