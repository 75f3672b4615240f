-- What is kept of the topics. event_id is what makes a record the same, so each is there
-- once however often it was delivered. Times are UTC.

CREATE TABLE IF NOT EXISTS offsets (
    topic VARCHAR, partition INTEGER, next BIGINT,
    PRIMARY KEY (topic, partition)
);

-- Records that Kafka had deleted before they were read.
CREATE TABLE IF NOT EXISTS missed (
    topic VARCHAR, partition INTEGER, first BIGINT, until BIGINT, found_at TIMESTAMP
);

CREATE TABLE IF NOT EXISTS call_events (
    event_id VARCHAR PRIMARY KEY, key VARCHAR, tenant_id VARCHAR, resource VARCHAR,
    occurred_at TIMESTAMP, received_at TIMESTAMP, event_type VARCHAR,
    participants_are_delta BOOLEAN,
    participants STRUCT(
        participant_id VARCHAR, user_id VARCHAR, identity_id VARCHAR, identity_kind VARCHAR,
        display_name VARCHAR, tenant_id VARCHAR, is_in_lobby BOOLEAN, removed_reason VARCHAR,
        change VARCHAR, roster_sequence_number BIGINT)[]
);

CREATE TABLE IF NOT EXISTS recordings (
    event_id VARCHAR PRIMARY KEY, key VARCHAR, tenant_id VARCHAR, received_at TIMESTAMP,
    id VARCHAR, call_id VARCHAR, end_date_time TIMESTAMP
);

CREATE TABLE IF NOT EXISTS transcripts (
    event_id VARCHAR PRIMARY KEY, key VARCHAR, tenant_id VARCHAR, received_at TIMESTAMP,
    id VARCHAR, call_id VARCHAR, end_date_time TIMESTAMP
);

CREATE TABLE IF NOT EXISTS chats (
    event_id VARCHAR PRIMARY KEY, key VARCHAR, received_at TIMESTAMP, topic VARCHAR
);

CREATE TABLE IF NOT EXISTS registrations (
    event_id VARCHAR PRIMARY KEY, key VARCHAR, tenant_id VARCHAR, received_at TIMESTAMP,
    change_type VARCHAR, id VARCHAR
);

CREATE TABLE IF NOT EXISTS reports (
    event_id VARCHAR PRIMARY KEY, key VARCHAR, tenant_id VARCHAR, received_at TIMESTAMP,
    id VARCHAR, session_id VARCHAR, resource_data VARCHAR
);

CREATE TABLE IF NOT EXISTS gap_records (
    event_id VARCHAR PRIMARY KEY, gap_id VARCHAR, tenant_id VARCHAR, resource VARCHAR,
    "from" TIMESTAMP, "to" TIMESTAMP, recorded_at TIMESTAMP, cause VARCHAR
);

-- Not of a topic: what Graph answered when it was asked for a report.
CREATE TABLE IF NOT EXISTS attendance_records (
    report_id VARCHAR, key VARCHAR, session_id VARCHAR,
    person VARCHAR, name VARCHAR, seconds BIGINT
);
CREATE TABLE IF NOT EXISTS fetched_reports (report_id VARCHAR PRIMARY KEY, started TIMESTAMP, participants INTEGER);
