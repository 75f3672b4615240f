"""Puts a made-up working day into the topics, to try the pipeline with, and writes the
reports that Graph would give for its webinars below a directory.

    python sample.py --brokers 127.0.0.1:9092 --registry http://127.0.0.1:8081 --reports sample-reports

As in truth, some records come twice and some late, people come back, wait in the lobby or
are there with two devices, and a subscription dies for a while.
"""

import argparse
import datetime
import json
import pathlib
import random
import uuid

from confluent_kafka import KafkaException, Producer
from confluent_kafka.schema_registry import SchemaRegistryError
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

import registry

TENANT = "3f1c6c0e-52a8-4d6c-9a55-0f7f7d6f3b10"
PEOPLE = [
    "Ada Okafor", "Ben Weiß", "Chiara Rossi", "Dilnoza Karimova", "Emil Lindqvist", "Fatima Haddad", "Goran Petrović", "Hana Sato",
    "Ines Carvalho", "Jonas Meyer", "Kwame Mensah", "Leila Farahani", "Mateo Rivera", "Nadia Kowalska", "Owen Hughes", "Priya Nair",
]
SUBJECTS = [
    "Stand-up", "Design review", "Incident 4711", "Sales forecast", "Hiring panel", "Release planning", "Data office hours",
    "Customer council", "Budget", "Onboarding", "Architecture forum", "Retrospective",
]


class Day:
    """What happens, and what of it is to be found in the end."""

    def __init__(self, begin, seed=7):
        self.begin, self.rng = begin, random.Random(seed)
        self.records = []  # (topic, key, time at which it arrives, value)
        self.reports = {}  # by path
        # By other means than the pipeline's: minutes by meeting and person, webinars, delays.
        self.truth = {"minutes": {}, "incomplete": [], "webinars": {}, "delays": {}}
        for n, subject in enumerate(SUBJECTS):
            self.meeting(subject, begin + datetime.timedelta(minutes=40 * n + self.rng.randrange(25)), lost=subject == "Customer council")
        for n in range(6):
            self.webinar(begin + datetime.timedelta(hours=1 + 1.5 * n), lost=n == 4)

    def guid(self):
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))

    def tell(self, name, key, at, change_type, resource, **fields):
        late = self.rng.expovariate(1 / 2)  # seconds on the way
        value = {
            "event_id": self.guid(), "tenant_id": TENANT, "subscription_id": self.guid(), "change_type": change_type,
            "resource": resource, "occurred_at": at, "received_at": at + datetime.timedelta(seconds=late), **fields,
        }
        self.records.append((name, key, value["received_at"], value))
        if self.rng.random() < 0.04:
            self.records.append((name, key, value["received_at"] + datetime.timedelta(seconds=11), value))

    def meeting(self, subject, start, lost):
        thread = f"19:meeting_{self.guid().replace('-', '')}@thread.v2"
        resource = f"communications/onlineMeetings(joinWebUrl='https%253A%252F%252Fteams.microsoft.com%252Fl%252Fmeetup-join%252F{thread}')/meetingCallEvents"
        end = start + datetime.timedelta(minutes=self.rng.choice([25, 50, 50, 80]))
        dead = start + (end - start) * 0.4, end + datetime.timedelta(minutes=5)
        self.tell("chats", thread, start - datetime.timedelta(minutes=5), "created", f"chats('{thread}')", topic=subject)

        def call(at, kind, participants=None, delta=True):
            if lost and dead[0] <= at <= dead[1]:
                return  # nobody was told
            self.tell("meeting-call-events", thread, at, "updated", resource, event_type=kind, participants_are_delta=None if participants is None else delta, participants=participants)

        old = subject == "Budget"  # told in the shape of 2022
        kinds = ["Microsoft.Communication.CallStarted", "Microsoft.Communication.CallRosterUpdate", "Microsoft.Communication.CallEnded"]
        started, updated, ended = kinds if old else ["callStarted", "rosterUpdated", "callEnded"]
        call(start, started)
        changes = []  # (time, whom it is about, whether inside)
        for name in self.rng.sample(PEOPLE, self.rng.randrange(4, 14)):
            changes += self.attend(thread, name, start, end, devices=not old)
        changes.sort(key=lambda c: c[0])
        present = {}
        for at, who, inside in changes:
            present.pop(who["participant_id"], None)
            if inside:
                present[who["participant_id"]] = who
            if subject == "Retrospective":  # told by whole rosters: who left is not on them
                call(at, updated, list(present.values()), delta=False)
            elif old and not who["is_in_lobby"]:
                call(at, updated, [who | {"participant_id": "User", "removed_reason": None, "change": "joined" if inside else "exited"}])
            elif not old:
                call(at, updated, [who])
        call(end, ended)
        if lost:
            self.truth["incomplete"].append(thread)
            gap = {
                "gap_id": self.guid(), "tenant_id": TENANT, "resource": resource.replace("%253A", "%253a"), "change_type": "updated",
                "from": dead[0], "cause": "expired",
            }
            for recorded in ({}, {"to": dead[1]}):
                at = recorded.get("to", dead[0] + datetime.timedelta(seconds=9))
                self.records.append(("gaps", gap["resource"], at, {"event_id": self.guid(), "recorded_at": at, **gap, **recorded}))
        for part in range(self.rng.choice([0, 1, 1, 2])):
            self.recorded(thread, end - datetime.timedelta(minutes=10 * part))

    def attend(self, thread, name, start, end, devices):
        """One person in one meeting: once, twice, through the lobby or with two devices.
        Returns what there is to tell of it."""
        length = (end - start).total_seconds()
        comes = start + datetime.timedelta(seconds=abs(self.rng.gauss(0, 0.06)) * length + 1)
        leaves = max(comes, end - datetime.timedelta(seconds=abs(self.rng.gauss(0, 0.15)) * length)) + datetime.timedelta(seconds=1)
        if self.rng.random() < 0.25:
            leaves = end  # the end of the call alone tells of it
        user, sequence = str(uuid.uuid5(uuid.NAMESPACE_DNS, name)), 0
        stays = [(comes, leaves)]
        if self.rng.random() < 0.25 and (leaves - comes).total_seconds() > 900:
            middle = comes + (leaves - comes) / 2
            stays = [(comes, middle), (middle + datetime.timedelta(minutes=3), leaves)]
        seconds, changes = 0.0, []

        def roster(at, presence, **more):
            nonlocal sequence
            sequence += 1
            who = {
                "participant_id": presence, "user_id": user, "identity_kind": "user", "identity_id": user, "display_name": name,
                "is_in_lobby": False, "removed_reason": None, "roster_sequence_number": sequence, **more,
            }
            changes.append((at, who, not who["is_in_lobby"] and who["removed_reason"] is None))

        for since, until in stays:
            until = min(until, end)
            presence = self.guid()
            if self.rng.random() < 0.15:
                roster(since - datetime.timedelta(seconds=40), presence, is_in_lobby=True)
            roster(since, presence)
            if self.rng.random() < 0.5:
                roster(since + (until - since) / 3, presence, is_muted=True)
            if devices and self.rng.random() < 0.1:
                device = self.guid()  # a phone, for the middle of it
                roster(since + (until - since) / 4, device)
                roster(since + (until - since) / 2, device, removed_reason="Participant has left the meeting call.")
            if until < end:
                roster(until, presence, removed_reason="Participant has left the meeting call.")
            seconds += (until - since).total_seconds()
        self.truth["minutes"][thread, user] = seconds / 60
        return changes

    def recorded(self, thread, end):
        call_id, organizer = self.guid(), self.guid()
        path = f"users/{organizer}/onlineMeetings('{self.guid()}')"
        recording = end + datetime.timedelta(minutes=self.rng.uniform(1, 4))
        delay = self.rng.lognormvariate(2.2, 0.6)
        transcript = end + datetime.timedelta(minutes=delay)
        for topic, at, what in (("call-recordings", recording, "recordings"), ("call-transcripts", transcript, "transcripts")):
            id_ = self.guid()
            self.records.append((topic, thread, at, {
                "event_id": self.guid(), "tenant_id": TENANT, "subscription_id": self.guid(), "change_type": "created",
                "resource": f"{path}/{what}('{id_}')", "occurred_at": end, "received_at": at,
                "id": id_, "call_id": call_id, "created_date_time": end - datetime.timedelta(minutes=20), "end_date_time": end,
            }))
        self.truth["delays"][call_id] = delay

    def webinar(self, start, lost):
        key = f"{self.guid()}@{TENANT}"
        at = f"solutions/virtualEvents/webinars/{key}"
        registered = self.rng.randrange(30, 140)
        for n in range(registered):
            id_ = self.guid()
            when = start - datetime.timedelta(minutes=self.rng.expovariate(1 / 90))
            self.tell("webinar-registrations", key, when, "created", f"{at}/registrations", id=id_)
            if self.rng.random() < 0.06:
                self.tell("webinar-registrations", key, when + datetime.timedelta(minutes=2), "updated", f"{at}/registrations", id=id_)
        if lost:
            self.records.append(("gaps", f"{at}/registrations", start, {
                "event_id": self.guid(), "gap_id": self.guid(), "tenant_id": TENANT, "resource": f"{at}/registrations", "change_type": "created,updated",
                "from": start - datetime.timedelta(minutes=50), "to": start - datetime.timedelta(minutes=20), "recorded_at": start, "cause": "removed",
            }))
        people = {}
        for session in range(2):
            report, where = self.guid(), f"{at}/sessions/{self.guid()}/attendanceReports/"
            begin = start + datetime.timedelta(minutes=50 * session)
            records = []
            for n in sorted(self.rng.sample(range(registered), int(registered * self.rng.uniform(0.3, 0.6)))):
                seconds = int(45 * 60 * self.rng.betavariate(5, 2))
                people[n] = people.get(n, 0) + seconds
                records.append({
                    "id": self.guid(), "emailAddress": f"guest{n}@example.org", "totalAttendanceInSeconds": seconds, "role": "Attendee",
                    "identity": {"displayName": f"Guest {n}"},
                })
            self.reports[where + report] = {
                "id": report, "meetingStartDateTime": begin.isoformat().replace("+00:00", "Z"), "totalParticipantCount": len(records), "attendanceRecords": records,
            }
            self.tell(
                "webinar-attendance-reports", key, begin + datetime.timedelta(minutes=55), "created", f"{at}/getAttendanceReports",
                id=report, resource_data=json.dumps({"id": report, "@odata.id": where + report}),
            )
        self.truth["webinars"][key] = registered, len(people), sum(people.values()) / 60 / len(people), lost


def write(day, brokers, registry_url, prefix):
    """Puts the day's records into the topics, in the order of their arrival."""
    producer = Producer({"bootstrap.servers": brokers, "partitioner": "murmur2_random", "enable.idempotence": True, "enable.metrics.push": False})
    encode = AvroSerializer(registry.client(registry_url), conf={"auto.register.schemas": False, "use.latest.version": True, **registry.SUBJECTS})
    known = producer.list_topics(timeout=10).topics
    if missing := {prefix + topic for topic, *_ in day.records} - set(known):
        raise registry.Trouble(f"there is no topic {', '.join(sorted(missing))}: make it with meetbridge topics apply, or name another --prefix")
    for topic, key, at, value in sorted(day.records, key=lambda r: r[2]):
        name = prefix + topic
        producer.produce(name, key=key, value=encode(value, SerializationContext(name, MessageField.VALUE)), timestamp=int(at.timestamp() * 1000))
        producer.poll(0)
    if producer.flush(30):
        raise TimeoutError("it does not take the records")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--brokers", default="127.0.0.1:9092")
    p.add_argument("--registry", default="http://127.0.0.1:8081")
    p.add_argument("--prefix", default="teams.")
    p.add_argument("--reports", type=pathlib.Path, default="sample-reports")
    a = p.parse_args()
    yesterday = datetime.datetime.now(datetime.timezone.utc).replace(hour=8, minute=0, second=0, microsecond=0) - datetime.timedelta(days=1)
    day = Day(yesterday)
    try:
        write(day, a.brokers, a.registry, a.prefix)
    except registry.Trouble as e:
        p.exit(2, f"{e}\n")
    except (KafkaException, TimeoutError) as e:
        p.exit(2, f"Kafka at {a.brokers} cannot be written: correct --brokers, or start it ({e})\n")
    except SchemaRegistryError as e:
        p.exit(2, f"the schema registry at {a.registry} does not have the schemas: make them with meetbridge schemas register ({e})\n")
    for path, report in day.reports.items():
        file = a.reports / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(report), encoding="utf-8")
    print(f"{len(day.records)} records written; {len(day.reports)} attendance reports in {a.reports}")


if __name__ == "__main__":
    main()
