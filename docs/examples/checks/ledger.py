"""What must be in the topics, by the ledgers of the simulated Graph, and whether a
consumer's records are that.

A record is a dict: topic (without prefix), key, event_id, and those fields of its
value that identify it. The ledger knows nothing of the bridge.
"""

import collections
import hashlib
import json

# Things that may happen twice as they stand: somebody is removed and added again, a
# channel is renamed there and back, a notice comes again. Each is a record.
RECURRING = {"conversation-members", "app-installations", "other", "lifecycle"}
NAMED = {"channels", "teams", "chats"}


def recurs(entry):
    renamed = entry["topic"] in NAMED and entry["change_type"].lower() != "created"
    return entry["fresh"] or renamed or entry["topic"] in RECURRING


def sent_identity(e):
    """What tells an item from others, as it was sent."""
    if e.get("lifecycle_event"):
        return e["topic"], e["subscription_id"], e["lifecycle_event"]
    sha = e.get("payload_sha256", "")
    basic = ("", "") if sha else (e["odata_id"], e["resource_id"])
    return (e["topic"], e["tenant_id"], e["subscription_id"], e["change_type"].lower(), e["resource"], sha, *basic)


def stored_identity(r):
    """The same of a record: its payload by its hash, so to the byte."""
    v = r["value"]
    if r["topic"] == "lifecycle":
        return r["topic"], v["subscription_id"], v["lifecycle_event"]
    sha = hashlib.sha256(v["payload"].encode()).hexdigest() if v["payload"] is not None else ""
    data = json.loads(v["resource_data"] or "{}") if not sha else {}
    basic = ("", "") if sha else (data.get("@odata.id", ""), data.get("id", ""))
    return (r["topic"], v["tenant_id"] or "", v["subscription_id"], v["change_type"], v["resource"], sha, *basic)


class Expected:
    """Everything that was sent and acknowledged."""

    def __init__(self, entries, lives):
        self.items, self.forged = {}, collections.defaultdict(list)
        for e in entries:
            if not e["acked"]:
                raise AssertionError(f"item {e['seq']} for {e['topic']} was not acknowledged")
            if e["genuine"]:
                self.items.setdefault(sent_identity(e), []).append(e)
            else:
                self.forged[e["reason"]].append(e)
        self.lives = lives
        self.topics = {identity[0] for identity in self.items} | {"quarantine", "subscriptions", "gaps"}

    def check(self, records):
        """Raises AssertionError at the first record that is missing, that nobody sent,
        that is there too often or not under its key; returns how many records are right."""
        found = collections.defaultdict(list)
        for r in records:
            if r["topic"] not in ("quarantine", "subscriptions", "gaps"):
                found[stored_identity(r)].append(r)
        for identity, entries in self.items.items():
            stored = found.get(identity, [])
            if any(map(recurs, entries)):
                most = sum(max(e["copies"], e["attempts"]) for e in entries)
                assert len(entries) <= len(stored) <= most, f"{identity} was sent {len(entries)} to {most} times and is there {len(stored)} times"
            else:
                assert len({r["event_id"] for r in stored}) == 1, f"{identity} is there {len(stored)} times, want once"
            for r in stored:
                key = entries[0]["key"]
                assert r["key"] == key or not key, f"{identity} has the key {r['key']!r}, want {key!r}"
        for identity in found:
            assert identity in self.items, f"{identity} is there and was not sent"
        self.forgeries([r["value"] for r in records if r["topic"] == "quarantine"])
        self.subscriptions(records)
        return len(records)

    def forgeries(self, quarantined):
        found = collections.Counter(v["reason"] for v in quarantined)
        for reason, entries in self.forged.items():
            most = sum(max(e["copies"], e["attempts"]) for e in entries)
            assert len(entries) <= found[reason] <= most, f"{reason} was forged {len(entries)} to {most} times and is there {found[reason]} times"
        assert set(found) <= set(self.forged), f"set aside and not forged: {set(found) - set(self.forged)}"

    def subscriptions(self, records):
        """Each subscription that ever lived is told of, each that died silently has its gap."""
        told = {r["value"]["subscription_id"] for r in records if r["topic"] == "subscriptions" and r["value"]}
        gaps = {r["value"]["old_subscription_id"] for r in records if r["topic"] == "gaps"}
        made = [e["subscription_id"] for e in self.lives if e["kind"] == "created"]
        assert made and told >= set(made), f"{len(set(made) - told)} of {len(made)} subscriptions are not told of"
        assert gaps, "no gap is on record"
        for i, e in enumerate(self.lives):
            again = any(l["kind"] == "created" and l["resource"] == e["resource"] and l["tenant_id"] == e["tenant_id"] for l in self.lives[i:])
            if e["kind"] == "lost" and again:
                assert e["subscription_id"] in gaps, f"the subscription {e['subscription_id']} died silently and has no gap"
