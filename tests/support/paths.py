# SPDX-License-Identifier: Apache-2.0
"""Where tests and benchmarks find files; paths.h is the same for C++."""
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]


def shared_data():
    """Real datasets beside the checkout; the folder need not exist. The environment variable CLARY_SHARED_DATA overrides it."""
    return pathlib.Path(os.environ.get("CLARY_SHARED_DATA") or ROOT.parent / "shared/data")
