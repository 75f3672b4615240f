"""Programs written by others, as far as this machine has them or can get them."""

import functools
import hashlib
import os
import pathlib
import shlex
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "meetbridge-examples"


class Absent(Exception):
    """What a check needs cannot be had here."""


def run(*command, timeout=240):
    """Runs a command and returns what it printed."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=timeout)
    if done.returncode:
        raise AssertionError(f"{command[0]} ended with {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def need(program, where):
    """Returns the path of a program."""
    path = shutil.which(program)
    if not path:
        raise Absent(f"there is no {program} ({where})")
    return path


def venv(*requirements):
    """Returns the interpreter of a virtual environment with the packages of those files,
    which is made once."""
    texts = [pathlib.Path(r).read_bytes() for r in requirements]
    digest = hashlib.sha256(b"\0".join([sys.version.encode(), *texts])).hexdigest()[:12]
    home = CACHE / f"venv-{digest}"
    interpreter = home / "bin" / "python"
    if not (home / "complete").exists():
        shutil.rmtree(home, ignore_errors=True)
        arguments = [a for r in requirements for a in ("-r", str(r))]
        for command in ([sys.executable, "-m", "venv", home], [interpreter, "-m", "pip", "install", "-q", "--disable-pip-version-check", *arguments]):
            done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=600)
            if done.returncode:
                raise Absent(f"pip cannot install {', '.join(str(r) for r in requirements)}: {done.stderr.strip().splitlines()[-1:]}")
        (home / "complete").touch()
    return str(interpreter)


@functools.cache
def maven(project):
    """Builds a Maven project, once, and returns its class path."""
    need("java", "a JDK of version 17 or later")
    done = subprocess.run([need("mvn", "Maven"), "-q", "-B", "-f", str(project / "pom.xml"), "package"], capture_output=True, text=True, timeout=600)
    if done.returncode:
        if "COMPILATION ERROR" in done.stdout:
            raise AssertionError(done.stdout)
        raise Absent(f"Maven cannot build {project}: {(done.stdout.strip().splitlines() or ['no word'])[0]}")
    return f"{project}/target/classes:{project}/target/lib/*"


def kafka_tools(directory):
    """Puts Kafka's command-line tools on the PATH, if they are not there: wrappers in the
    directory around `$INFRA/kafka tool NAME`."""
    if shutil.which("kafka-console-consumer.sh"):
        return
    infra = pathlib.Path(os.environ.get("INFRA") or ROOT.parent / "shared" / "infra").resolve() / "kafka"
    if not os.access(infra, os.X_OK):
        raise Absent("Kafka's command-line tools are neither on the PATH nor to be had through $INFRA/kafka")
    for name in ("get-offsets", "console-consumer", "consumer-groups"):
        wrapper = directory / f"kafka-{name}.sh"
        wrapper.write_text(f'#!/bin/sh\nexec {shlex.quote(str(infra))} tool {name} "$@"\n')
        wrapper.chmod(0o755)
    os.environ["PATH"] = f"{directory}:{os.environ['PATH']}"
