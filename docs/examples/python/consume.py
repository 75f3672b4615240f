"""Prints Meetbridge's records as JSON lines, decoded, and ends where the topics end.

    python consume.py 127.0.0.1:9092 http://127.0.0.1:8081 teams.call-recordings teams.chats
"""

import json
import sys

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext


class Trouble(Exception):
    """Something that whoever started this can mend, as its text says."""


def decoder(registry):
    """Returns what decodes values with the registry's schemas. It is asked for something at
    once, so that one that is away is known before all else."""
    client = SchemaRegistryClient({"url": registry, "timeout": 10})  # s; without it one lost answer is waited for without end
    try:
        client.get_subjects()
    except Exception as e:  # of whichever HTTP library the client has
        raise Trouble(f"the schema registry at {registry} cannot be asked: correct its URL, or start it ({e})") from e
    # Without the type, each topic's subject is asked for first, which other registries than Confluent's do not know.
    return AvroDeserializer(client, conf={"subject.name.strategy.type": "TOPIC"})


def records(brokers, registry, topics):
    """Yields (message, value) for each record; the value of a tombstone is None."""
    consumer = Consumer({
        "bootstrap.servers": brokers,
        "group.id": "consume-example",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "enable.metrics.push": False,
    })
    decode = decoder(registry)
    known = consumer.list_topics(timeout=10).topics
    if missing := [topic for topic in topics if topic not in known]:
        raise Trouble(f"there is no topic {', '.join(missing)}: there are {', '.join(sorted(t for t in known if t[0] != '_'))}")
    left = {(topic, partition) for topic in topics for partition in known[topic].partitions}
    consumer.assign([TopicPartition(topic, partition, 0) for topic, partition in left])
    while left:
        message = consumer.poll(30)
        if message is None:
            raise TimeoutError("no answer from Kafka for 30 s")
        if error := message.error():
            if error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            left.discard((message.topic(), message.partition()))
            continue
        yield message, decode(message.value(), SerializationContext(message.topic(), MessageField.VALUE))
    consumer.close()


def main():
    if len(sys.argv) < 4:
        return "usage: consume.py BROKERS REGISTRY TOPIC..., such as 127.0.0.1:9092 http://127.0.0.1:8081 teams.chats"
    brokers, registry, *topics = sys.argv[1:]
    try:
        for message, value in records(brokers, registry, topics):
            print(json.dumps({
                "topic": message.topic(),
                "partition": message.partition(),
                "offset": message.offset(),
                "timestamp": message.timestamp()[1],
                "key": message.key().decode(),
                "headers": {name: text.decode() for name, text in message.headers() or []},
                "value": value,
            }, default=str))
    except Trouble as e:
        return e
    except (KafkaException, TimeoutError) as e:
        return f"Kafka at {brokers} cannot be read: correct its address, or start it ({e})"


if __name__ == "__main__":
    if trouble := main():
        print(trouble, file=sys.stderr)
        sys.exit(2)
