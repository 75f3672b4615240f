"""Brings DuckDB tables, Parquet files and plots up to date from Meetbridge's topics.

    python pipeline.py --brokers 127.0.0.1:9092 --registry http://127.0.0.1:8081 --out analytics

Run it as often as you like: it goes on where it stopped. Offsets are kept in the same
database and the same transaction as the records, so none is lost or taken twice, whenever
it is interrupted; and a record that Kafka holds twice is kept once, by its event_id.
"""

import argparse
import pathlib
import urllib.error
import uuid

import duckdb
import pyarrow
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

import plots
import registry
import reports

HERE = pathlib.Path(__file__).parent
TABLES = {
    "meeting-call-events": "call_events",
    "call-recordings": "recordings",
    "call-transcripts": "transcripts",
    "chats": "chats",
    "webinar-registrations": "registrations",
    "webinar-attendance-reports": "reports",
    "gaps": "gap_records",
}
BATCH = 20_000  # records of one transaction


class Topics:
    """Reads the topics from where the database stopped to what is their end now."""

    def __init__(self, db, brokers, registry_url, prefix):
        self.db = db
        self.names = {prefix + topic: table for topic, table in TABLES.items()}
        self.decode = AvroDeserializer(registry.client(registry_url), conf=registry.SUBJECTS)
        self.consumer = Consumer({
            "bootstrap.servers": brokers,
            "group.id": "meetbridge-analytics",  # never used: the database keeps the offsets
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "enable.metrics.push": False,
            "auto.offset.reset": "error",
        })
        self.types = {table: db.table(table).limit(0).arrow().read_all().schema for table in TABLES.values()}

    def start(self):
        """Returns where to begin in each partition."""
        kept = {(t, p): n for t, p, n in self.db.sql("SELECT topic, partition, next FROM offsets").fetchall()}
        known = self.consumer.list_topics(timeout=10).topics
        begin = []
        for topic in self.names:
            if topic not in known:
                raise registry.Trouble(f"there is no topic {topic}: make it with meetbridge topics apply, or name another --prefix")
            for partition in known[topic].partitions:
                first, end = self.consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
                next_ = kept.get((topic, partition), first)
                if next_ > end:
                    raise registry.Trouble(f"{topic} ends at {end} of partition {partition}, and {next_} was read before: was it made anew? Then begin with another --out")
                if next_ < first:
                    print(f"{topic}: Kafka has deleted {first - next_} records of partition {partition} that were not read")
                    self.db.execute("INSERT INTO missed VALUES (?, ?, ?, ?, now()::TIMESTAMP)", [topic, partition, next_, first])
                begin.append(TopicPartition(topic, partition, max(first, next_)))
        return begin

    def read(self):
        """Reads everything, a transaction for each batch, and returns how many records."""
        begin = self.start()
        self.consumer.assign(begin)
        left = {(p.topic, p.partition) for p in begin}
        rows, offsets, total = {}, {}, 0
        while left:
            message = self.consumer.poll(30)
            if message is None:
                raise TimeoutError("no answer from Kafka for 30 s")
            at = message.topic(), message.partition()
            if error := message.error():
                if error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)
                left.discard(at)
                offsets[at] = message.offset()
                continue
            if at not in left:
                continue  # came after what was the end
            value = self.decode(message.value(), SerializationContext(message.topic(), MessageField.VALUE))
            row = {name: str(v) if isinstance(v, uuid.UUID) else v for name, v in value.items()}
            row["key"] = message.key().decode()
            rows.setdefault(self.names[message.topic()], {})[row["event_id"]] = row
            offsets[at] = message.offset() + 1
            total += 1
            if total % BATCH == 0:
                self.keep(rows, offsets)
                rows, offsets = {}, {}
        self.keep(rows, offsets)
        self.consumer.close()
        return total

    def keep(self, rows, offsets):
        """Writes rows and offsets in one transaction."""
        self.db.begin()
        for table, values in rows.items():
            batch = pyarrow.Table.from_pylist(list(values.values()), schema=self.types[table])
            self.db.register("batch", batch)
            self.db.execute(f"INSERT INTO {table} BY NAME SELECT * FROM batch ON CONFLICT DO NOTHING")
            self.db.unregister("batch")
        for (topic, partition), next_ in offsets.items():
            self.db.execute("INSERT OR REPLACE INTO offsets VALUES (?, ?, ?)", [topic, partition, next_])
        self.db.commit()


def derive(db):
    """Makes the tables that people ask for from those of the topics."""
    for script in sorted((HERE / "sql").glob("[0-9]_*.sql")):
        db.execute(script.read_text(encoding="utf-8"))


def export(db, out):
    """Writes every table as a Parquet file."""
    out.mkdir(exist_ok=True)
    for (table,) in db.sql("SELECT table_name FROM duckdb_tables() WHERE NOT temporary").fetchall():
        db.execute(f"COPY {table} TO '{out / table}.parquet' (FORMAT parquet)")


def bring_up_to_date(a):
    a.out.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(a.out / "meetbridge.duckdb")) as db:
        db.execute((HERE / "sql" / "tables.sql").read_text(encoding="utf-8"))
        read = Topics(db, a.brokers, a.registry, a.prefix).read()
        fetched = reports.fetch(db, a.graph, a.graph_token_file) if a.graph else 0
        derive(db)
        export(db, a.out / "parquet")
        drawn = [] if a.no_plots else plots.draw(db, a.out / "plots")
    print(f"{read} records read, {fetched} attendance reports fetched, {len(drawn)} plots drawn: {a.out}")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--brokers", default="127.0.0.1:9092", help="Kafka brokers to start from (%(default)s)")
    p.add_argument("--registry", default="http://127.0.0.1:8081", help="schema registry (%(default)s)")
    p.add_argument("--prefix", default="teams.", help="what the topics' names begin with (%(default)s)")
    p.add_argument("--out", type=pathlib.Path, default="analytics", help="directory of the results (%(default)s)")
    p.add_argument("--graph", help="where to GET attendance reports, such as https://graph.microsoft.com/v1.0; unset: not at all")
    p.add_argument("--graph-token-file", type=pathlib.Path, help="file with an access token for it (VirtualEvent.Read.All)")
    p.add_argument("--no-plots", action="store_true", help="draw nothing")
    a = p.parse_args()
    try:
        bring_up_to_date(a)
    except registry.Trouble as e:
        p.exit(2, f"{e}\n")
    except (KafkaException, TimeoutError) as e:
        p.exit(2, f"Kafka at {a.brokers} cannot be read: correct --brokers, or start it ({e})\n")
    except urllib.error.URLError as e:
        p.exit(2, f"Graph at {a.graph} cannot be asked: correct --graph, or leave it out ({e.reason})\n")


if __name__ == "__main__":
    main()
