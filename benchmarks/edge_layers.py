#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Cost of each layer in front of a handler, 1 and 64 connections: bare Beast, our HTTP server, the edge with SigV4, and
the edge relaying to a second server over a Unix socket. usage: edge_layers.py [BUILD_FOLDER] [SECONDS]"""
import json
import os
import pathlib
import subprocess
import sys

build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build/bench") / "benchmarks"
seconds = sys.argv[2] if len(sys.argv) > 2 else "3"
ceiling = {}


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


print(f"{'layer':8} {'connections':>11} {'requests/s':>11} {'p50 us':>8} {'p99 us':>8} {'cpu us/req':>10} {'of ceiling':>10}")
for mode in ("beast", "http", "edge", "relay"):
    server = subprocess.Popen([str(build / "edge_server"), mode], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    where = json.loads(server.stdout.readline())
    for connections in (1, 64):
        command = [str(build / "signed_load"), "--port", str(where["port"]), "--connections", str(connections), "--seconds", seconds,
                   "--access-key", where["access_key"] or "AKIABENCHMARK", "--secret", where["secret"] or "bench/secret/key"]
        before = cpu_seconds(server.pid)
        r = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        cpu = (cpu_seconds(server.pid) - before) * 1e6 / r["requests"]
        ceiling.setdefault(connections, r["requests_per_second"])
        print(f"{mode:8} {connections:11} {r['requests_per_second']:11.0f} {r['p50_us']:8.0f} {r['p99_us']:8.0f} {cpu:10.1f} "
              f"{r['requests_per_second'] / ceiling[connections]:10.0%}", flush=True)
    server.stdin.close()
    server.wait(20)
