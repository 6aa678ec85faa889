# SPDX-License-Identifier: Apache-2.0
"""A user's own serving program, as small as the contract allows, that misbehaves on command.

GET /ping answers 200 (never, with MODE=silent; the program ends at once with MODE=exit). POST /invocations answers, by the
body: "crash" ends the process; "sleep <s>" answers late; "status <n> <text>" answers that; "pid", "version" (of the model),
"headers", "environment", "limit" (RLIMIT_DATA), "network" (namespace, interfaces) answer those; "connect <port>" tries that
port of its loopback interface; anything else comes back in upper case. "train" writes a model holding its version."""
import http.server
import json
import os
import resource
import socket
import socketserver
import sys
import time


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body, kind="text/plain"):
        body = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if self.headers.get("X-Amzn-SageMaker-Custom-Attributes"):
            self.send_header("X-Amzn-SageMaker-Custom-Attributes", self.headers["X-Amzn-SageMaker-Custom-Attributes"])
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/execution-parameters" and "PARAMETERS" in os.environ:
            return self.answer(200, os.environ["PARAMETERS"], "application/json")
        ready = self.path == "/ping" and os.environ.get("MODE") != "silent"
        self.answer(200 if ready else 404, "")

    def read_body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while True:
            size = int(self.rfile.readline(), 16)
            body += self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                return body

    def do_POST(self):
        body = self.read_body()
        words = body.split(b"\n")[0].decode("latin-1").split(" ")
        if words[0] == "crash":
            os._exit(3)
        if words[0] == "sleep":
            time.sleep(float(words[1]))
            return self.answer(200, "slept")
        if words[0] == "status":
            return self.answer(int(words[1]), " ".join(words[2:]))
        if words[0] == "big":
            return self.answer(200, b"x" * int(words[1]))
        if words[0] == "pid":
            return self.answer(200, str(os.getpid()) + " " + os.readlink("/proc/self/ns/pid"))
        if words[0] == "version":
            return self.answer(200, open("/opt/ml/model/version").read())
        if words[0] == "limit":
            return self.answer(200, str(resource.getrlimit(resource.RLIMIT_DATA)[0]))
        if words[0] == "network":
            return self.answer(200, json.dumps([os.readlink("/proc/self/ns/net"), [name for _, name in socket.if_nameindex()]]))
        if words[0] == "connect":
            with socket.socket() as probe:
                return self.answer(200, os.strerror(probe.connect_ex(("127.0.0.1", int(words[1])))))
        if words[0] == "headers":
            return self.answer(200, json.dumps(dict(self.headers)), "application/json")
        if words[0] == "environment":
            return self.answer(200, json.dumps(dict(os.environ)), "application/json")
        self.answer(200, body.upper(), self.headers.get("Accept", "text/plain"))

    def log_message(self, *arguments):
        print("request", *arguments[1:], flush=True)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128


def train():
    config = json.load(open("/opt/ml/input/config/hyperparameters.json"))
    with open("/opt/ml/model/version", "w") as out:
        out.write(config.get("version", "1"))


if __name__ == "__main__":
    if sys.argv[1] == "train":
        train()
    elif os.environ.get("MODE") == "exit":
        sys.exit("no model, no service")
    else:
        print("listening on port", os.environ["SAGEMAKER_BIND_TO_PORT"], flush=True)
        Server(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
