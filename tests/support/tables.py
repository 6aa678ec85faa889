# SPDX-License-Identifier: Apache-2.0
"""The tables of the shared data (and MNIST) as numbers: dummies for words, means for missing numbers, split by a fixed seed."""
import gzip
import io
import lzma
import pathlib
import zipfile
from dataclasses import dataclass

import numpy as np
import pandas as pd
from paths import shared_data

DATA = shared_data()
TABULAR = DATA / "tabular"


@dataclass
class Table:
    """x [rows, features] and y [rows] float32 for each part."""
    name: str
    kind: str  # "binary_classifier", "multiclass_classifier" or "regressor"
    train: tuple
    validation: tuple
    test: tuple

    @property
    def classes(self):
        return int(max(part[1].max() for part in (self.train, self.validation, self.test))) + 1


def read(name, **options):
    return pd.read_csv(io.BytesIO(lzma.open(TABULAR / name).read()), **options)


def numbers(frame):
    """Words become dummies (all but the rarest 200 values of a column are dropped), missing numbers their mean."""
    columns = []
    for name in frame:
        column = frame[name]
        if column.dtype == object:
            kept = column.value_counts().index[:200]
            columns.append(pd.get_dummies(column.where(column.isin(kept)), prefix=name, dtype=np.float32))
        else:
            columns.append(column.fillna(column.mean()).fillna(0).to_frame())
    return pd.concat(columns, axis=1).to_numpy(np.float32)


def split(name, kind, x, y, seed=0, test=None, parts=(0.7, 0.85)):
    order = np.random.default_rng(seed).permutation(len(x))
    y = np.asarray(y, np.float32)
    a, b = int(parts[0] * len(x)), int(parts[1] * len(x))
    if test is not None:
        a, b = int(0.85 * len(x)), len(x)
    take = lambda i: (np.ascontiguousarray(x[i], np.float32), y[i])  # noqa: E731
    return Table(name, kind, take(order[:a]), take(order[a:b]), test or take(order[b:]))


def wdbc(seed=0):
    frame = read("wdbc.csv.xz", usecols=range(32))
    return split("wdbc", "binary_classifier", frame.iloc[:, 2:].to_numpy(np.float32), frame["diagnosis"] == "M", seed)


def covtype(seed=0):
    frame = read("covtype-109k.csv.xz", header=None)
    return split("covtype", "multiclass_classifier", frame.iloc[:, :54].to_numpy(np.float32), frame[54] - 1, seed)


def covtype_binary(seed=0):
    """Lodgepole pine (the largest class) against the rest."""
    table = covtype(seed)
    part = lambda p: (p[0], (p[1] == 1).astype(np.float32))  # noqa: E731
    return Table("covtype, class 2", "binary_classifier", part(table.train), part(table.validation), part(table.test))


def adult(seed=0):
    parts = [read(f"adult-{p}.csv.xz", header=None, skipinitialspace=True) for p in ("train", "test")]
    frame = pd.concat(parts, ignore_index=True)
    x, y = numbers(frame.iloc[:, :14]), frame[14].str.startswith(">").to_numpy(np.float32)
    n = len(parts[0])
    return split("adult", "binary_classifier", x[:n], y[:n], seed, test=(x[n:], y[n:]))


def abalone(seed=0):
    frame = read("abalone.csv.xz", header=None)
    return split("abalone", "regressor", numbers(frame.iloc[:, :8]), frame[8], seed)


def cal_housing(seed=0):
    frame = read("cal_housing.csv.xz")
    return split("cal_housing", "regressor", frame.iloc[:, :8].to_numpy(np.float32), frame["medianHouseValue"], seed)


def bank(seed=0):
    with zipfile.ZipFile(TABULAR / "bank-additional.zip") as z:
        frame = pd.read_csv(z.open("bank-additional/bank-additional-full.csv"), sep=";")
    return split("bank", "binary_classifier", numbers(frame.drop(columns="y")), frame["y"] == "yes", seed)


def airlines(seed=0):
    frame = read("airlines-allyears2k.csv.xz", low_memory=False, encoding="latin-1")
    known = ["Month", "DayofMonth", "DayOfWeek", "CRSDepTime", "CRSArrTime", "UniqueCarrier", "Origin", "Dest", "Distance", "DepDelay"]
    return split("airlines", "binary_classifier", numbers(frame[known]), frame["IsArrDelayed"] == "YES", seed)


def kdd(seed=0):
    """normal against attack; every fifth row."""
    frame = read("kddcup99_10pct.csv.xz", header=None).iloc[::5]
    return split("kdd", "binary_classifier", numbers(frame.iloc[:, :41]), frame[41] != "normal.", seed)


def big_mart_frame():
    frame = read("Train_UWu5bXk.csv.xz")
    frame["Item_Fat_Content"] = frame["Item_Fat_Content"].replace({"LF": "Low Fat", "low fat": "Low Fat", "reg": "Regular"})
    frame["Outlet_Establishment_Year"] = frame["Outlet_Establishment_Year"].astype(str)
    return numbers(frame.drop(columns=["Item_Identifier", "Item_Outlet_Sales"])), frame["Item_Outlet_Sales"]


def big_mart(seed=0):
    x, sales = big_mart_frame()
    return split("Big Mart", "regressor", x, sales, seed)


def big_mart_classes(seed=0):
    """Four quarters of the sales."""
    x, sales = big_mart_frame()
    return split("Big Mart, 4 classes", "multiclass_classifier", x, pd.qcut(sales, 4, labels=False), seed)


def sklearn_set(name, seed=0):
    """digits, iris, wine and diabetes, which come with scikit-learn."""
    from sklearn import datasets
    bunch = getattr(datasets, "load_" + name)()
    kind = "regressor" if name == "diabetes" else "multiclass_classifier"
    return split(name, kind, bunch.data, bunch.target, seed)


def mnist_images(part):
    with gzip.open(DATA / f"mnist/{part}-images-idx3-ubyte.gz") as f:
        x = np.frombuffer(f.read(), np.uint8, offset=16).reshape(-1, 784).astype(np.float32)
    with gzip.open(DATA / f"mnist/{part}-labels-idx1-ubyte.gz") as f:
        return x, np.frombuffer(f.read(), np.uint8, offset=8)


def mnist_zero():
    """Digit 0 against the rest: 50,000 / 10,000 / 10,000, as the SDK's notebook has it."""
    (x, y), (tx, ty) = mnist_images("train"), mnist_images("t10k")
    part = lambda a, b: (a / 255, (b == 0).astype(np.float32))  # noqa: E731
    return Table("MNIST, 0 or not", "binary_classifier", part(x[:50000], y[:50000]), part(x[50000:], y[50000:]), part(tx, ty))


ALL = {"wdbc": wdbc, "covtype": covtype, "covtype_binary": covtype_binary, "adult": adult, "abalone": abalone,
       "cal_housing": cal_housing, "bank": bank, "airlines": airlines, "kdd": kdd, "big_mart": big_mart,
       "big_mart_classes": big_mart_classes, "mnist_zero": mnist_zero,
       **{name: (lambda seed=0, name=name: sklearn_set(name, seed)) for name in ("digits", "iris", "wine", "diabetes")}}
