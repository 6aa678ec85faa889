#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""S3 PUT and GET throughput of a running server beside what this machine can do at all, in one run.

usage: s3_put_get.py [--binary build/release/bin/clary] [--mib 512] [--seconds 3]

The limits are plain programs on the same disk and loopback: for PUT a receiver that writes what it gets to a file and fsyncs it; for GET a sender that
calls sendfile. Small objects are compared with write + fsync + rename + fsync of the folder, which is the least a durable store can do for one object.
The client speaks HTTP over a bare socket with presigned URLs, so that it is not what is measured."""
import argparse
import concurrent.futures
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading
import time

import boto3

CHUNK = 1 << 20


def best(runs, times=3):
    return max(runs() for _ in range(times))


class Http:
    def __init__(self, address):
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as urllib3 does; else a small body waits for an ACK
        self.buffer = bytearray(CHUNK)

    def head(self):
        data = b""
        while b"\r\n\r\n" not in data:
            got = self.socket.recv(65536)
            assert got, "the server closed the connection"
            data += got
        head, rest = data.split(b"\r\n\r\n", 1)
        assert head.split()[1] == b"200", head
        length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
        return length - len(rest)

    def put(self, path, host, file, size):
        self.socket.sendall(("PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n" % (path, host, size)).encode())
        sent = 0
        while sent < size:
            sent += os.sendfile(self.socket.fileno(), file.fileno(), sent, size - sent)
        self.drain(self.head())

    def get(self, path, host):
        self.socket.sendall(("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (path, host)).encode())
        self.drain(self.head())

    def drain(self, left):
        while left > 0:
            n = self.socket.recv_into(self.buffer, min(left, CHUNK))
            assert n
            left -= n


def plain_put(folder, file, size):
    """Sends the file over loopback to a thread that writes it down durably."""
    listener = socket.create_server(("127.0.0.1", 0))

    def receive():
        connection, _ = listener.accept()
        buffer, left = bytearray(CHUNK), size
        view = memoryview(buffer)
        with open(folder / "limit", "wb", buffering=0) as out:
            while left:
                n = connection.recv_into(buffer)
                out.write(view[:n])
                left -= n
            os.fsync(out.fileno())
        connection.sendall(b"k")

    thread = threading.Thread(target=receive)
    thread.start()
    start = time.perf_counter()
    with socket.create_connection(listener.getsockname()) as client:
        sent = 0
        while sent < size:
            sent += os.sendfile(client.fileno(), file.fileno(), sent, size - sent)
        client.recv(1)
    elapsed = time.perf_counter() - start
    thread.join()
    (folder / "limit").unlink()
    return size / elapsed / 1e6


def plain_get(file, size):
    listener = socket.create_server(("127.0.0.1", 0))

    def send():
        connection, _ = listener.accept()
        sent = 0
        while sent < size:
            sent += os.sendfile(connection.fileno(), file.fileno(), sent, size - sent)

    thread = threading.Thread(target=send)
    thread.start()
    start = time.perf_counter()
    with socket.create_connection(listener.getsockname()) as client:
        buffer, left = bytearray(CHUNK), size
        while left:
            left -= client.recv_into(buffer)
    elapsed = time.perf_counter() - start
    thread.join()
    return size / elapsed / 1e6


def per_second(work, threads, seconds):
    """How often `work(thread, i)` runs in a second, all threads together."""
    end = time.perf_counter() + seconds

    def loop(thread):
        i = 0
        while time.perf_counter() < end:
            work(thread, i)
            i += 1
        return i

    start = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        done = sum(pool.map(loop, range(threads)))
    return done / (time.perf_counter() - start)


def durable_file(folder, thread, i):
    name = folder / ("s%d-%d" % (thread, i))
    with open(name, "wb", buffering=0) as out:
        out.write(b"x" * 4096)
        os.fsync(out.fileno())
    os.rename(name, folder / ("t%d-%d" % (thread, i)))
    handle = os.open(folder, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def main():
    root = pathlib.Path(__file__).resolve().parents[1]
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--binary", default=root / "build/release/bin/clary")
    options.add_argument("--mib", type=int, default=512)
    options.add_argument("--seconds", type=float, default=3)
    options = options.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="clary-bench-", dir=root / "build" if (root / "build").exists() else None))
    server = subprocess.Popen([str(options.binary), "serve", "--dev", "--port", "0", "--data", str(folder)], stderr=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL)
    try:
        while not (folder / "server.json").exists():
            assert server.poll() is None, "clary serve did not start"
            time.sleep(0.01)
        url = json.loads((folder / "server.json").read_text())["url"]
        host = url.split("//")[1]
        address = (host.split(":")[0], int(host.split(":")[1]))
        s3 = boto3.client("s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
        s3.create_bucket(Bucket="bench")

        def path(method, key):
            return s3.generate_presigned_url(method, Params={"Bucket": "bench", "Key": key})[len(url):]

        size = options.mib << 20
        with open(folder / "body", "w+b") as body:
            body.write(os.urandom(1 << 20) * options.mib)
            body.flush()

            def put():
                start = time.perf_counter()
                Http(address).put(path("put_object", "big"), host, body, size)
                return size / (time.perf_counter() - start) / 1e6

            def get():
                start = time.perf_counter()
                Http(address).get(path("get_object", "big"), host)
                return size / (time.perf_counter() - start) / 1e6

            rows = [("PUT %d MiB, MB/s" % options.mib, best(put), best(lambda: plain_put(folder, body, size))),
                    ("GET %d MiB, MB/s" % options.mib, best(get), best(lambda: plain_get(body, size)))]
            small = open(folder / "small", "w+b")
            small.write(b"x" * 4096)
            small.flush()
            for threads in (1, 16):
                connections = [Http(address) for _ in range(threads)]
                paths = [[path("put_object", "s/%d/%d" % (t, i)) for i in range(64)] for t in range(threads)]
                gets = [[path("get_object", "s/%d/%d" % (t, i)) for i in range(64)] for t in range(threads)]
                for t in range(threads):
                    for p in paths[t]:
                        connections[t].put(p, host, small, 4096)
                rows.append(("PUT 4 KiB, %d connections, 1/s" % threads,
                             per_second(lambda t, i: connections[t].put(paths[t][i % 64], host, small, 4096), threads, options.seconds),
                             per_second(lambda t, i: durable_file(folder, t, i), threads, options.seconds)))
                rows.append(("GET 4 KiB, %d connections, 1/s" % threads,
                             per_second(lambda t, i: connections[t].get(gets[t][i % 64], host), threads, options.seconds), None))
        print("| what | clary | limit | share |\n|---|---|---|---|")
        for name, ours, limit in rows:
            print("| %s | %.0f | %s | %s |" % (name, ours, "%.0f" % limit if limit else "-", "%.2f" % (ours / limit) if limit else "-"))
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
