"""The schema registry, as the pipeline and the sample use it."""

from confluent_kafka.schema_registry import SchemaRegistryClient

# Without it each topic's subject is asked for first, which other registries than Confluent's do not know.
SUBJECTS = {"subject.name.strategy.type": "TOPIC"}


class Trouble(Exception):
    """Something that whoever started this can mend, as its text says."""


def client(url):
    """Returns a client of the registry, which is asked for something at once, so that one
    that is away is known before all else."""
    registry = SchemaRegistryClient({"url": url, "timeout": 10})  # s; without it one lost answer is waited for without end
    try:
        registry.get_subjects()
    except Exception as e:  # of whichever HTTP library the client has
        raise Trouble(f"the schema registry at {url} cannot be asked: correct --registry, or start it ({e})") from e
    return registry
