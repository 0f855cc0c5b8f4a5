-- +goose Up
-- One row per copy that leaves; its bytes are the sealed object (queue, id).
CREATE TABLE queue_messages (
  id            TEXT    NOT NULL PRIMARY KEY,
  article_id    TEXT    NOT NULL,
  group_id      TEXT    NOT NULL,
  mailbox_id    TEXT    NOT NULL,
  reverse_path  TEXT    NOT NULL,
  message_id    TEXT    NOT NULL,
  protection    TEXT    NOT NULL,
  smtputf8      BOOLEAN NOT NULL DEFAULT FALSE,
  env_id        TEXT    NOT NULL DEFAULT '',
  ret           TEXT    NOT NULL DEFAULT '',
  size          BIGINT  NOT NULL,
  created_ms    BIGINT  NOT NULL
);
CREATE INDEX queue_messages_article ON queue_messages (article_id);
CREATE INDEX queue_messages_created ON queue_messages (created_ms);
CREATE INDEX queue_messages_group ON queue_messages (group_id, created_ms);

CREATE TABLE queue_recipients (
  id               TEXT    NOT NULL PRIMARY KEY,
  queue_id         TEXT    NOT NULL REFERENCES queue_messages (id) ON DELETE CASCADE,
  address          TEXT    NOT NULL,
  notify           TEXT    NOT NULL DEFAULT '',
  orcpt            TEXT    NOT NULL DEFAULT '',
  state            TEXT    NOT NULL,
  attempts         INTEGER NOT NULL DEFAULT 0,
  next_attempt_ms  BIGINT  NOT NULL,
  lease_owner      TEXT    NOT NULL DEFAULT '',
  lease_until_ms   BIGINT  NOT NULL DEFAULT 0,
  last_reply       TEXT    NOT NULL DEFAULT '',
  finished_ms      BIGINT  NOT NULL DEFAULT 0
);
CREATE INDEX queue_recipients_due ON queue_recipients (state, next_attempt_ms);
CREATE INDEX queue_recipients_queue ON queue_recipients (queue_id);

-- +goose Down
DROP TABLE queue_recipients;
DROP TABLE queue_messages;
