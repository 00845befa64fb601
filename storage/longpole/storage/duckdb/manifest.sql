-- The manifest of a data directory. Trace ids are 16 bytes, big-endian.
CREATE TABLE IF NOT EXISTS meta (
  key   TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS segments (
  segment_id       INTEGER PRIMARY KEY,
  kind             TEXT NOT NULL,
  row_count        INTEGER NOT NULL,
  byte_count       INTEGER NOT NULL,
  first_sequence   INTEGER NOT NULL,
  last_sequence    INTEGER NOT NULL,
  min_unix_nano    INTEGER NOT NULL,
  max_unix_nano    INTEGER NOT NULL,
  stored_unix_nano INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS superseded (
  trace_id BLOB PRIMARY KEY,
  revision INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS reopened (
  trace_id     BLOB PRIMARY KEY,
  first_row_id INTEGER NOT NULL,
  last_row_id  INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS request_hashes (
  request_hash      BLOB NOT NULL,
  sequence_number   INTEGER NOT NULL,
  arrival_unix_nano INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS attribute_keys (
  scope TEXT NOT NULL,
  key   TEXT NOT NULL,
  type  TEXT NOT NULL,
  PRIMARY KEY (scope, key)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS services (
  name                 TEXT PRIMARY KEY,
  colour_index         INTEGER NOT NULL,
  first_seen_unix_nano INTEGER NOT NULL,
  last_seen_unix_nano  INTEGER NOT NULL
) WITHOUT ROWID;

-- See manifest_digest.py.
CREATE TABLE IF NOT EXISTS digests (
  name TEXT PRIMARY KEY,
  crc  INTEGER NOT NULL
) WITHOUT ROWID;
