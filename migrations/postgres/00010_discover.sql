-- +goose Up
-- What was or will be asked about an address or a known certificate. A row that is done is the memory of "there is none".
CREATE TABLE discover_lookups (
  kind      TEXT    NOT NULL, -- address, refresh
  subject   TEXT    NOT NULL, -- folded address, or fingerprint
  group_id  TEXT    NOT NULL DEFAULT '', -- whose mail asked first
  state     TEXT    NOT NULL, -- waiting, done
  attempts  INTEGER NOT NULL DEFAULT 0,
  due_ms    BIGINT  NOT NULL,
  asked_ms  BIGINT  NOT NULL DEFAULT 0,
  report    TEXT    NOT NULL DEFAULT '',
  PRIMARY KEY (kind, subject)
);
CREATE INDEX discover_lookups_due ON discover_lookups (state, due_ms);
CREATE INDEX discover_lookups_asked ON discover_lookups (asked_ms);

-- What Autocrypt says of an address.
CREATE TABLE discover_peers (
  address      TEXT    NOT NULL PRIMARY KEY,
  seen_ms      BIGINT  NOT NULL DEFAULT 0,
  shown_ms     BIGINT  NOT NULL DEFAULT 0,
  fingerprint  TEXT    NOT NULL DEFAULT '',
  mutual       BOOLEAN NOT NULL DEFAULT FALSE,
  gossip_ms    BIGINT  NOT NULL DEFAULT 0,
  gossiped     TEXT    NOT NULL DEFAULT ''
);

-- Sources that a group approves by itself.
CREATE TABLE discover_approvals (
  group_id  TEXT NOT NULL,
  source    TEXT NOT NULL,
  PRIMARY KEY (group_id, source)
);

-- +goose Down
DROP TABLE discover_approvals;
DROP TABLE discover_peers;
DROP TABLE discover_lookups;
