"""Prints Meetbridge's records as JSON lines, decoded, and ends where the topics end.

    python consume.py 127.0.0.1:9092 http://127.0.0.1:8081 teams.call-recordings teams.chats
"""

import json
import sys

from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext


def records(brokers, registry, topics):
    """Yields (message, value) for each record; the value of a tombstone is None."""
    consumer = Consumer({
        "bootstrap.servers": brokers,
        "group.id": "consume-example",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "enable.metrics.push": False,
    })
    decode = AvroDeserializer(SchemaRegistryClient({"url": registry}))
    known = consumer.list_topics(timeout=10).topics
    left = {(topic, partition) for topic in topics for partition in known[topic].partitions}
    consumer.assign([TopicPartition(topic, partition, 0) for topic, partition in left])
    while left:
        message = consumer.poll(30)
        if message is None:
            raise TimeoutError("no answer from Kafka for 30 s")
        if error := message.error():
            if error.code() != KafkaError._PARTITION_EOF:
                raise RuntimeError(error)
            left.discard((message.topic(), message.partition()))
            continue
        yield message, decode(message.value(), SerializationContext(message.topic(), MessageField.VALUE))
    consumer.close()


if __name__ == "__main__":
    for message, value in records(sys.argv[1], sys.argv[2], sys.argv[3:]):
        print(json.dumps({
            "topic": message.topic(),
            "partition": message.partition(),
            "offset": message.offset(),
            "timestamp": message.timestamp()[1],
            "key": message.key().decode(),
            "headers": {name: text.decode() for name, text in message.headers() or []},
            "value": value,
        }, default=str))
