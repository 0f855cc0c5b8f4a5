-- +goose Up
-- Append-only and hash-chained: hash covers prev_hash and every other column.
CREATE TABLE activity (
  seq          BIGINT NOT NULL PRIMARY KEY,
  time_ms      BIGINT NOT NULL,
  actor        TEXT   NOT NULL,
  act          TEXT   COLLATE "C" NOT NULL, -- read by ranges, which other collations order otherwise
  outcome      TEXT   NOT NULL,
  group_id     TEXT   NOT NULL DEFAULT '',
  article_id   TEXT   NOT NULL DEFAULT '',
  message_id   TEXT   NOT NULL DEFAULT '',
  fingerprint  TEXT   NOT NULL DEFAULT '',
  detail       TEXT   NOT NULL DEFAULT '{}',
  prev_hash    BYTEA   NOT NULL,
  hash         BYTEA   NOT NULL
);
CREATE INDEX activity_article ON activity (article_id, seq);
CREATE INDEX activity_group ON activity (group_id, seq);
CREATE INDEX activity_act ON activity (act, seq);

-- One row: the end of the chain. Updating it serialises writers on every engine.
CREATE TABLE activity_heads (
  id    INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  seq   BIGINT  NOT NULL,
  hash  BYTEA    NOT NULL
);

-- +goose Down
DROP TABLE activity_heads;
DROP TABLE activity;
