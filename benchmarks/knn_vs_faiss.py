#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs knn_vs_faiss with OpenBLAS's own choice of kernels and with the one that the launcher sets.

usage: knn_vs_faiss.py [build folder] [rows] [width] [threads]
"""
import os
import pathlib
import subprocess
import sys

BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build/bench")
flags = pathlib.Path("/proc/cpuinfo").read_text()
best = "SkylakeX" if "avx512bw" in flags else "Haswell" if "avx2" in flags else None
program = next(BUILD.rglob("knn_vs_faiss"))
for core in [None, best] if best else [None]:
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    environment["OMP_WAIT_POLICY"] = "passive"  # as the knn program does itself; for both sides
    if core:
        environment["OPENBLAS_CORETYPE"] = core
    print(f"\n== OPENBLAS_CORETYPE {core or 'left to OpenBLAS'}", flush=True)
    subprocess.run([program, *sys.argv[2:]], env=environment, check=True)
