"""The whole bridge as processes, under a load of which everything is known.

A Bridge has a broker and a registry (embedded ones, unless told of others), the
topics, ingest, a renewer and a simulated Graph, each a process of bin/meetbridge.
"""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[3]
APP = "11111111-1111-4111-8111-111111111111"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Bridge(contextlib.ExitStack):
    """Runs in a directory of its own, which keeps ledgers and logs."""

    def __init__(self, directory, brokers=None, registry=None, prefix="teams."):
        super().__init__()
        self.dir = pathlib.Path(directory)
        self.brokers, self.registry, self.prefix = brokers, registry, prefix
        self.binary = os.environ.get("MEETBRIDGE", str(ROOT / "bin" / "meetbridge"))
        # What the machine's environment says must not leak in.
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("MEETBRIDGE")}
        self.ports = {n: free_port() for n in ("kafka", "registry", "ingest", "admin", "authority", "api", "renewer")}

    def __enter__(self):
        super().__enter__()
        try:
            self.begin()
        except BaseException:
            self.close()
            raise
        return self

    def begin(self):
        self.run("keys", "new", "keys")
        if not self.brokers:
            self.brokers, self.registry = self.at("kafka"), f"http://{self.at('registry')}"
            self.start("broker", "broker", "--kafka-listen", self.brokers, "--registry-listen", self.at("registry"))
            self.until("the broker", lambda: urllib.request.urlopen(f"{self.registry}/subjects", timeout=1))
        self.env |= {
            "MEETBRIDGE_KAFKA_BROKERS": self.brokers,
            "MEETBRIDGE_REGISTRY_URL": self.registry,
            "MEETBRIDGE_TOPIC_PREFIX": self.prefix,
        }
        self.until("Kafka", lambda: self.run("topics", "apply"))

    def at(self, port):
        return f"127.0.0.1:{self.ports[port]}"

    def run(self, *args):
        """Runs a command of the bridge to its end and returns what it printed."""
        done = subprocess.run([self.binary, *args], cwd=self.dir, env=self.env, capture_output=True, text=True, timeout=90)
        if done.returncode:
            raise RuntimeError(f"meetbridge {args[0]}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def start(self, name, *args):
        """Starts a process of the bridge, which end() or the end of all ends."""
        log = open(self.dir / f"{name}.log", "ab")
        p = subprocess.Popen([self.binary, *args], cwd=self.dir, env=self.env, stdout=log, stderr=log)
        log.close()
        self.callback(self.end, p)
        p.name = name
        return p

    def end(self, p):
        if p.poll() is None:
            p.send_signal(signal.SIGTERM)
            try:
                p.wait(10)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()

    def until(self, what, ok, within=60):
        """Waits until ok() neither raises nor returns False."""
        end = time.monotonic() + within
        while True:
            try:
                if ok() is not False:
                    return
                error = None
            except (OSError, RuntimeError) as e:
                error = e
            if time.monotonic() > end:
                raise RuntimeError(f"{what} did not come up within {within} s: {error}; see {self.dir}")
            time.sleep(0.1)

    @contextlib.contextmanager
    def ingest(self):
        """Runs ingest. A new one for each simulated Graph: each has its own key set."""
        p = self.start(
            "ingest", "ingest", "--listen", self.at("ingest"), "--admin-listen", self.at("admin"),
            "--decryption-keys", "keys/decryption", "--client-state-keys", "keys/client-state.keys", "--app-ids", APP,
            "--entra-authority", f"http://{self.at('authority')}", "--entra-sts", f"http://{self.at('authority')}/sts",
            "--quarantine-rate", "64MiB", "--log-level", "warn",
        )
        try:
            yield p
        finally:
            self.end(p)

    def graph(self, name, *args):
        """Starts a simulated Graph, whose ledger is NAME.jsonl."""
        return self.start(
            name, "graphsim", "--listen", self.at("authority"), "--app-ids", APP, "--certificates", "keys/certificates",
            "--notification-url", f"http://{self.at('ingest')}/graph/notifications",
            "--lifecycle-url", f"http://{self.at('ingest')}/graph/lifecycle",
            "--client-state-keys", "keys/client-state.keys", "--ledger", f"{name}.jsonl", "--log-level", "warn", *args,
        )

    def ready(self):
        self.until("ingest", lambda: urllib.request.urlopen(f"http://{self.at('admin')}/readyz", timeout=1))

    def finished(self, graph, within=120):
        code = graph.wait(within)
        if code:
            raise RuntimeError(f"the simulated Graph ended with {code}; see {self.dir}/{graph.name}.log")

    def everything(self, items):
        """Feeds every topic: with items, quickly; and the renewer's, for some seconds."""
        with self.ingest():
            graph = self.graph(
                "subscribed", "--api-listen", self.at("api"), "--api-dir", "sim", "--api-lives", "lives.jsonl",
                "--api-min-lifetime", "5s", "--api-lifetime", "5s", "--rate", "50", "--faults", "silent_removal=1/1",
            )
            self.until("the subscriptions API", lambda: (self.dir / "sim" / "subscriptions.yaml").exists())
            self.ready()
            renewer = self.start(
                "renewer", "renewer", "--subscriptions", "sim/subscriptions.yaml", "--graph-ca", "sim/ca.pem",
                "--client-state-keys", "keys/client-state.keys", "--admin-listen", self.at("renewer"), "--log-level", "warn",
            )
            # The first subscription to be renewed dies instead, and that is noticed.
            self.wait_for_gap()
            graph.send_signal(signal.SIGTERM)
            self.finished(graph)
            self.end(renewer)
        self.load(
            "load", "--seed", "2", "--items", str(items),
            "--faults", "forgeries=300,big_payload=500,grown_payload=50,misfit_payload=100,repeat_post=30",
        )

    def wait_for_gap(self):
        """Returns when the topic of gaps tells of a subscription that lived."""
        with open(self.dir / "tail.log", "w") as log:
            tail = subprocess.Popen(
                [self.binary, "tail", "gaps", "--from-beginning", "--json"],
                cwd=self.dir, env=self.env, stdout=subprocess.PIPE, stderr=log, text=True,
            )
        self.callback(tail.stdout.close)
        self.callback(self.end, tail)
        timer = threading.Timer(60, tail.kill)
        timer.start()
        found = any(json.loads(line)["value"]["old_subscription_id"] for line in tail.stdout)
        timer.cancel()
        self.end(tail)
        if not found:
            raise RuntimeError(f"no gap within 60 s; see {self.dir}")

    def load(self, name, *args):
        """Sends as fast as it is acknowledged, until all is."""
        with self.ingest():
            graph = self.graph(name, "--rate", "0", *args)
            self.ready()
            self.finished(graph)

    def lines(self, name):
        """Returns the objects of a file of JSON lines."""
        with open(self.dir / name, encoding="utf-8") as f:
            return [json.loads(line) for line in f]
