#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Seconds from starting `clary serve` to its address in server.json: on a new data folder, and the median of later starts.
usage: server_start.py [BUILD_FOLDER]"""
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

binary = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build/release") / "bin/clary"


def start(folder):
    state = pathlib.Path(folder) / "server.json"
    state.unlink(missing_ok=True)
    began = time.perf_counter()
    server = subprocess.Popen([str(binary), "serve", "--dev", "--port", "0", "--data", folder], stderr=subprocess.DEVNULL)
    while not state.exists():
        if server.poll() is not None:
            raise SystemExit("clary serve did not start")
        time.sleep(0.0005)
    seconds = time.perf_counter() - began
    server.terminate()
    server.wait()
    return seconds


with tempfile.TemporaryDirectory() as data:
    seconds = [start(data) for _ in range(8)]
print("server start: first %.3f s, median of later ones %.3f s" % (seconds[0], statistics.median(seconds[1:])))
