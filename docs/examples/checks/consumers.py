"""Has consumers written by others read every topic, and compares what they found with what
the simulated Graph knows it sent.

    python3 docs/examples/checks/consumers.py [kcat] [python] [analytics] [console] [docs] [java] [streams] [partitions] [all]

Without names: all but the Java ones; "all" stands for all.
What cannot be had here is skipped and says so.

Environment: BROKERS and REGISTRY, a Kafka and a registry to use instead of the embedded
ones; PREFIX, what the topics' names begin with there; ITEMS, how many things happen;
INFRA, a directory with a command that runs Kafka's own tools, where they are not on the PATH.
"""

import collections
import contextlib
import gzip
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

import tools
from bridge import Bridge
from ledger import Expected

EXAMPLES = pathlib.Path(__file__).resolve().parents[1]


class Site:
    """What every check is told."""

    def __init__(self, bridge, expected):
        self.bridge, self.expected = bridge, expected
        self.brokers, self.registry, self.prefix = bridge.brokers, bridge.registry, bridge.prefix
        self.topics = sorted(self.prefix + t for t in expected.topics)
        self.records, self.counts = [], None  # in all and by topic, as the first decoding consumer found them

    def read(self, command):
        """Runs a consumer that prints JSON lines; returns its records, checked for what all
        of them must have."""
        out = self.bridge.dir / "records.jsonl"
        with open(out, "w", encoding="utf-8") as f:
            subprocess.run(command, stdout=f, check=True, timeout=120)
        records = []
        with open(out, encoding="utf-8") as f:
            for line in f:
                r = json.loads(line)
                r["topic"] = r["topic"].removeprefix(self.prefix)
                r["event_id"] = (r["value"] or {}).get("event_id")
                records.append(r)
        counts = {}
        for r in records:
            counts[r["topic"]] = counts.get(r["topic"], 0) + 1
        if self.counts is None:
            self.records, self.counts = records, counts
        assert counts == self.counts, f"{counts} records by topic, another consumer found {self.counts}"
        return records


def kcat(site):
    """kcat: metadata, keys, headers, offsets, and the frame of each value."""
    tools.need("kcat", "Debian's package kcat")
    metadata = json.loads(tools.run("kcat", "-b", site.brokers, "-L", "-J"))
    known = {t["topic"]: len(t["partitions"]) for t in metadata["topics"]}
    assert set(site.topics) <= set(known), f"kcat does not list {set(site.topics) - set(known)}"
    seen = 0
    for topic in site.topics:
        with urllib.request.urlopen(f"{site.registry}/subjects/{topic}-value/versions/latest", timeout=10) as answer:
            schema = json.load(answer)["id"]
        text = tools.run("kcat", "-b", site.brokers, "-C", "-e", "-q", "-X", "fetch.wait.max.ms=20", "-t", topic, "-s", "value=>bI", "-f", "%p\t%o\t%S\t%s\t%h\t%k\n")
        offsets = {}
        for line in text.splitlines():
            partition, offset, size, frame, headers, key = line.split("\t")
            assert int(offset) > offsets.get(partition, -1), f"{topic}: offset {offset} of partition {partition} comes late"
            offsets[partition] = int(offset)
            assert key, f"{topic}: no key at {partition}/{offset}"
            if int(size) < 0:
                continue  # a tombstone
            assert frame == f"0{schema}", f"{topic}: the frame is {frame}, want magic 0 and schema {schema}"
            if topic.endswith(("gaps", "subscriptions")):
                continue
            assert "ce_specversion=1.0," in headers and "content-type=application/vnd.confluent.avro" in headers, f"{topic}: headers {headers}"
            seen += 1
    said = "reads values with -s avro -r, too"
    trial = subprocess.run(["kcat", "-b", site.brokers, "-C", "-e", "-q", "-t", site.prefix + "chats", "-s", "avro", "-r", site.registry], capture_output=True, text=True)
    if trial.returncode and "lacks Avro" in trial.stderr:
        said = "this build does not decode Avro"
    else:
        assert trial.returncode == 0, trial.stderr
        for line in trial.stdout.splitlines():
            assert "event_id" in json.loads(line), line
    return f"{len(site.topics)} topics, {seen} records framed and with their headers; {said}"


def python(site):
    """Python's confluent-kafka, its Avro deserializer and registry client."""
    interpreter = tools.venv(EXAMPLES / "python" / "requirements.txt")
    records = site.read([interpreter, EXAMPLES / "python" / "consume.py", site.brokers, site.registry, *site.topics])
    n = site.expected.check(records)
    for r in records:
        if r["topic"] in ("gaps", "subscriptions", "quarantine"):
            continue
        assert r["headers"]["ce_id"] == r["event_id"], r
        assert r["headers"].get("ce_subject") == r["value"].get("resource"), r
        assert r["headers"]["ce_source"].endswith(r["value"]["subscription_id"]), r
    return f"{n} records decoded, each what was sent"


def console(site):
    """Kafka's own console tools."""
    tools.kafka_tools(site.bridge.dir)
    at = ["--bootstrap-server", site.brokers]
    sums = {}
    for line in tools.run("kafka-get-offsets.sh", *at, "--topic-partitions", ",".join(site.topics)).splitlines():
        topic, _, offset = line.rsplit(":", 2)
        sums[topic] = sums.get(topic, 0) + int(offset)
    topics = [t for t in site.topics if not t.endswith((".subscriptions", ".gaps"))]  # transactions have records of their own
    for topic in topics:
        found = (site.counts or {}).get(topic.removeprefix(site.prefix), sums[topic])
        assert sums[topic] == found, f"{topic}: get-offsets says {sums[topic]}, another consumer found {found}"
    want = sum(sums[t] for t in topics)
    group = f"console-{os.getpid()}"
    pattern = "|".join(t.replace(".", "[.]") for t in topics)
    text = tools.run(
        "kafka-console-consumer.sh", *at, "--include", pattern, "--group", group, "--from-beginning",
        "--max-messages", str(want), "--timeout-ms", "20000",
        "--formatter-property", "print.key=true", "--formatter-property", "print.value=false",
    )
    assert len(text.splitlines()) == want, f"console-consumer found {len(text.splitlines())} records, want {want}"
    lag = current = 0
    for line in tools.run("kafka-consumer-groups.sh", *at, "--describe", "--group", group).splitlines():
        words = line.split()
        if len(words) > 5 and words[0] == group:
            current += int(words[3]) if words[3] != "-" else 0
            lag += int(words[5]) if words[5] != "-" else 0
    assert (current, lag) == (want, 0), f"consumer-groups says {current} read and {lag} left, want {want} and 0"
    return f"get-offsets, console-consumer and consumer-groups agree on {want} records"


def java(site):
    """A Java consumer with Apache Avro alone, and one with Apicurio's deserializer."""
    classpath = tools.maven(EXAMPLES / "java")
    n = site.expected.check(site.read(["java", "-cp", classpath, "examples.Consume", site.brokers, site.registry, *site.topics]))
    said = f"{n} records decoded with Apache Avro"
    if "/apis/ccompat" not in site.registry:
        return said + "; Apicurio's deserializer is for Apicurio's registry"
    api = site.registry.split("/apis/")[0] + "/apis/registry/v3"
    n = site.expected.check(site.read(["java", "-cp", classpath, "examples.ConsumeWithApicurio", site.brokers, api, *site.topics]))
    return said + f", {n} with Apicurio's deserializer"


def streams(site):
    """Kafka Streams: call events joined with transcripts of the same meeting."""
    if not site.records:
        raise tools.Absent("what the join must give is known only after python or java")
    classpath = tools.maven(EXAMPLES / "java")
    text = tools.run("java", "-cp", classpath, "examples.Joined", site.brokers, site.registry, site.prefix)
    joined = collections.Counter((r["call_event"]["event_id"], r["transcript"]["event_id"]) for r in map(json.loads, text.splitlines()))
    made = collections.defaultdict(list)
    for r in site.records:
        if r["topic"] == "call-transcripts":
            made[r["key"]].append(r["event_id"])
    want = collections.Counter((r["event_id"], t) for r in site.records if r["topic"] == "meeting-call-events" for t in made[r["key"]])
    assert want and joined == want, f"{joined.total()} pairs were joined, want {want.total()}; missing {(want - joined).total()}"
    return f"{joined.total()} pairs of a call event and a transcript, none missing"


def partitions(site):
    """The partitions of 10,000 keys, once more by Kafka's own class."""
    classpath = tools.maven(EXAMPLES / "java")
    folder = tools.ROOT / "bridge" / "kafka" / "testdata"
    again = tools.run("java", "-cp", classpath, folder / "Partitions.java")
    kept = gzip.decompress((folder / "partitions.jsonl.gz").read_bytes()).decode()
    assert again == kept, "Java's partitions are no longer those in bridge/kafka/testdata/partitions.jsonl.gz"
    placed = {r["key"]: r["partition"] for r in site.records if r["topic"] != "subscriptions"}
    for r in site.records:
        assert r["topic"] == "subscriptions" or r["partition"] == placed[r["key"]], f"the key {r['key']} is on two partitions"
    return f"{len(kept.splitlines())} keys are where the Go test wants them; each of {len(placed)} keys read has one partition number in all topics"


def docs(site):
    """The commands that docs/consumers.md shows, as far as their programs are here."""
    text = (EXAMPLES.parent / "consumers.md").read_text(encoding="utf-8")
    done, left = [], []
    with contextlib.suppress(tools.Absent):
        tools.kafka_tools(site.bridge.dir)
    for program, commands in re.findall(r"<!-- run: (\S+) -->\n```sh\n(.*?)```", text, re.DOTALL):
        for ours, there in (("127.0.0.1:9092", site.brokers), ("http://127.0.0.1:8081", site.registry), ("teams.", site.prefix)):
            commands = commands.replace(ours, there)
        if not shutil.which(program):
            left.append(program)
            continue
        assert tools.run("bash", "-euo", "pipefail", "-c", commands).strip(), f"nothing is printed by {commands}"
        done.append(program)
    if not done:
        raise tools.Absent(f"there is no {', '.join(left)}")
    return f"the commands of {', '.join(done)} work" + (f"; there is no {', '.join(left)}" if left else "")


def analytics(site):
    """The analyst's pipeline, with a known day and with what was sent."""
    if not site.records:
        raise tools.Absent("what it must find is known only after python")
    interpreter = tools.venv(EXAMPLES / "analytics" / "requirements.txt")
    prefix = site.prefix + "sample."
    site.bridge.run("topics", "apply", "--topic-prefix", prefix)
    site.bridge.run("schemas", "register", "--topic-prefix", prefix)
    return tools.run(
        interpreter, EXAMPLES / "checks" / "analytics.py", site.brokers, site.registry, prefix, site.prefix,
        site.bridge.dir / "records.jsonl", site.bridge.dir / "analytics",
    ).strip()


CHECKS = {f.__name__: f for f in (kcat, python, analytics, console, docs, java, streams, partitions)}
QUICK = ["kcat", "python", "analytics", "console", "docs"]


def main(names):
    names = list(CHECKS) if names == ["all"] else names or QUICK
    for name in names:
        if name not in CHECKS:
            sys.exit(f"no such consumer: {name}; there are {', '.join(CHECKS)}, all")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))  # and so the bridge's processes
    begin = time.monotonic()
    step = lambda text: print(f"{time.monotonic() - begin:5.1f} s  {text}", flush=True)
    real = os.environ.get("BROKERS")
    prefix = os.environ.get("PREFIX") or (f"check-{int(time.time())}." if real else "teams.")
    directory = tempfile.mkdtemp(prefix="meetbridge-consumers-")
    passed = failed = skipped = 0
    with Bridge(directory, real, os.environ.get("REGISTRY"), prefix) as bridge:
        bridge.everything(int(os.environ.get("ITEMS") or 3000))
        entries = bridge.lines("subscribed.jsonl") + bridge.lines("load.jsonl")
        step(f"{len(entries)} items were sent, to {'the Kafka at ' + real if real else 'the embedded broker'}")
        site = Site(bridge, Expected(entries, bridge.lines("lives.jsonl")))
        for name in names:
            try:
                step(f"{name}: {CHECKS[name](site)}")
                passed += 1
            except tools.Absent as e:
                step(f"{name}: skipped: {e}")
                skipped += 1
            except (AssertionError, subprocess.SubprocessError, OSError, ValueError, LookupError) as e:
                step(f"{name}: FAILED: {e}")
                failed += 1
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    if failed:
        sys.exit(f"what was sent and logged is in {directory}")
    shutil.rmtree(directory)


if __name__ == "__main__":
    main(sys.argv[1:])
