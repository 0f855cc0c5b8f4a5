-- +goose Up
-- One row: who this installation is. The id is part of every encryption context.
CREATE TABLE instances (
  id          TEXT   NOT NULL PRIMARY KEY,
  only_row    INTEGER NOT NULL DEFAULT 1 UNIQUE CHECK (only_row = 1),
  created_ms  BIGINT NOT NULL
);

-- A lease is a key encryption key of ours, wrapped once by the KMS.
CREATE TABLE leases (
  id          TEXT   NOT NULL PRIMARY KEY,
  provider    TEXT   NOT NULL,
  key_ref     TEXT   NOT NULL,
  key_version TEXT   NOT NULL,
  wrapped     BYTEA   NOT NULL,
  created_ms  BIGINT NOT NULL
);
CREATE INDEX leases_created ON leases (created_ms);

-- The key row of a sealed object: its wrapped data encryption key. Its bytes are in sealed_segments.
CREATE TABLE sealed_objects (
  kind        TEXT   NOT NULL,
  object_id   TEXT   NOT NULL,
  version     INTEGER NOT NULL,
  lease_id    TEXT   NOT NULL REFERENCES leases (id),
  wrapped_dek BYTEA   NOT NULL,
  size        BIGINT NOT NULL,
  sealed_ms   BIGINT NOT NULL,
  PRIMARY KEY (kind, object_id, version)
);
CREATE INDEX sealed_objects_lease ON sealed_objects (lease_id);

-- The sealed byte stream of an object, cut into rows in order.
CREATE TABLE sealed_segments (
  kind        TEXT   NOT NULL,
  object_id   TEXT   NOT NULL,
  version     INTEGER NOT NULL,
  seq         INTEGER NOT NULL,
  data        BYTEA   NOT NULL,
  PRIMARY KEY (kind, object_id, version, seq)
);

-- +goose Down
DROP TABLE sealed_segments;
DROP TABLE sealed_objects;
DROP TABLE leases;
DROP TABLE instances;
