#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""File to DMatrix: Clary's loader beside the library's own (which is what the published container uses) and beside pandas,
taking turns on the same files. The matrices are compared byte for byte first. Build with the preset "bench", then run this.

    benchmarks/xgboost_loading.py [--times 5] [--threads 2] [--build build/bench]
"""
import argparse
import json
import lzma
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import pandas
import xgboost

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/support"))
from paths import shared_data  # noqa: E402

DATA = shared_data() / "tabular"


def lines(name):
    return lzma.open(DATA / name, "rt").read().splitlines()


def covtype():
    """The label moves from the last column to the first, as XGBoost wants it; four times the rows."""
    rows = ["%d,%s" % (int(r.rsplit(",", 1)[1]) - 1, r.rsplit(",", 1)[0]) for r in lines("covtype-109k.csv.xz")]
    return "\n".join(rows * 4) + "\n"


def kddcup():
    """Numeric columns; the label says whether the connection is normal."""
    rows = (r.split(",") for r in lines("kddcup99_10pct.csv.xz"))
    return "\n".join(",".join(["0" if r[-1] == "normal." else "1", r[0], *r[4:-1]]) for r in rows) + "\n"


def agaricus():
    return ("\n".join(lines("agaricus.txt.train.xz")) + "\n") * 60


def peers(path, kind):
    """Name -> function that loads the file."""
    if kind == "text/libsvm":
        return {"xgboost": lambda: xgboost.DMatrix(str(path))}

    def with_pandas():
        table = pandas.read_csv(path, header=None)
        return xgboost.DMatrix(table.iloc[:, 1:], label=table[0])
    return {"xgboost": lambda: xgboost.DMatrix(f"{path}?format=csv&label_column=0"), "pandas": with_pandas}


def seconds(load):
    start = time.perf_counter()
    load()
    return time.perf_counter() - start


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--times", type=int, default=5)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--build", default="build/bench")
    given = options.parse_args()
    driver = ROOT / given.build / "benchmarks/xgboost_loading"
    with tempfile.TemporaryDirectory() as folder:
        for name, text, kind in (("covtype x4", covtype(), "text/csv"), ("kddcup99 10 %", kddcup(), "text/csv"),
                                 ("agaricus x60", agaricus(), "text/libsvm")):
            root = pathlib.Path(folder) / name.split()[0]
            path = root / "input/data/train/rows"
            path.parent.mkdir(parents=True)
            path.write_text(text)

            def ours(*more, times=1):
                command = [driver, root, kind, str(given.threads), str(times), *more]
                return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)

            ours(str(root / "ours"))
            loaders = peers(path, kind)
            loaders["xgboost"]().save_binary(str(root / "peer"))
            assert (root / "ours").read_bytes() == (root / "peer").read_bytes(), name
            taken = {"clary": [], **{peer: [] for peer in loaders}}
            for _ in range(given.times):
                result = ours()
                taken["clary"] += result["seconds"]
                for peer, load in loaders.items():
                    taken[peer].append(seconds(load))
            middle = {who: statistics.median(each) for who, each in taken.items()}
            print(f"{name}: {len(text) / 1e6:.0f} MB, {result['rows']} x {result['columns']}, peak {result['peak_mb']:.0f} MB, "
                  f"same bytes as the library's own matrix")
            for who, value in middle.items():
                print(f"  {who:8} {value * 1e3:8.1f} ms  {len(text) / 1e6 / value:7.0f} MB/s  {value / middle['clary']:5.2f}x of clary")


if __name__ == "__main__":
    main()
