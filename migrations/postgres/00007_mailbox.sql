-- +goose Up
-- The mirror of one upstream folder. uidvalidity and next_uid are ours and stay for ever.
CREATE TABLE mirror_folders (
  id                    TEXT    NOT NULL PRIMARY KEY,
  mailbox_id            TEXT    NOT NULL,
  name                  TEXT    NOT NULL,
  attributes            TEXT    NOT NULL DEFAULT '',
  uidvalidity           BIGINT  NOT NULL,
  next_uid              BIGINT  NOT NULL DEFAULT 1,
  upstream_uidvalidity  BIGINT  NOT NULL DEFAULT 0,
  UNIQUE (mailbox_id, name)
);

-- One message as the ticket system sees it. Its bytes are those of the article and never change.
CREATE TABLE mirror_messages (
  folder_id             TEXT    NOT NULL REFERENCES mirror_folders (id) ON DELETE CASCADE,
  uid                   BIGINT  NOT NULL,
  article_id            TEXT    NOT NULL,
  size                  BIGINT  NOT NULL,
  internal_ms           BIGINT  NOT NULL,
  flags                 TEXT    NOT NULL DEFAULT '',
  upstream_uidvalidity  BIGINT  NOT NULL DEFAULT 0,
  upstream_uid          BIGINT  NOT NULL DEFAULT 0,
  PRIMARY KEY (folder_id, uid)
);
CREATE INDEX mirror_messages_upstream ON mirror_messages (folder_id, upstream_uidvalidity, upstream_uid);
CREATE INDEX mirror_messages_article ON mirror_messages (article_id);

-- What clients changed here and upstream has not heard of yet, in order.
CREATE TABLE mirror_changes (
  id                    TEXT    NOT NULL PRIMARY KEY,
  mailbox_id            TEXT    NOT NULL,
  folder_id             TEXT    NOT NULL REFERENCES mirror_folders (id) ON DELETE CASCADE,
  upstream_uidvalidity  BIGINT  NOT NULL,
  upstream_uid          BIGINT  NOT NULL,
  change                TEXT    NOT NULL,
  flags                 TEXT    NOT NULL DEFAULT '',
  created_ms            BIGINT  NOT NULL
);
CREATE INDEX mirror_changes_mailbox ON mirror_changes (mailbox_id, id);

-- +goose Down
DROP TABLE mirror_changes;
DROP TABLE mirror_messages;
DROP TABLE mirror_folders;
