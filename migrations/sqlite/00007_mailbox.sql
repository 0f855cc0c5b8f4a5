-- +goose Up
-- The mirror of one upstream folder. uidvalidity and next_uid are ours and stay for ever. version counts the changes
-- in the folder and messages its rows, so that a session learns from one row whether it must look again.
CREATE TABLE mirror_folders (
  id                    TEXT    NOT NULL PRIMARY KEY,
  mailbox_id            TEXT    NOT NULL,
  name                  TEXT    NOT NULL,
  attributes            TEXT    NOT NULL DEFAULT '',
  delimiter             TEXT    NOT NULL DEFAULT '',
  uidvalidity           BIGINT  NOT NULL,
  next_uid              BIGINT  NOT NULL DEFAULT 1,
  upstream_uidvalidity  BIGINT  NOT NULL DEFAULT 0,
  version               BIGINT  NOT NULL DEFAULT 0,
  messages              BIGINT  NOT NULL DEFAULT 0,
  UNIQUE (mailbox_id, name)
);

-- One message as the ticket system sees it. Its bytes are those of the article and never change. version is that of
-- the folder when the row last changed. An upstream_uid of 0 marks a message that exists only here.
CREATE TABLE mirror_messages (
  folder_id             TEXT    NOT NULL REFERENCES mirror_folders (id) ON DELETE CASCADE,
  uid                   BIGINT  NOT NULL,
  article_id            TEXT    NOT NULL,
  size                  BIGINT  NOT NULL,
  internal_ms           BIGINT  NOT NULL,
  flags                 TEXT    NOT NULL DEFAULT '',
  upstream_uidvalidity  BIGINT  NOT NULL DEFAULT 0,
  upstream_uid          BIGINT  NOT NULL DEFAULT 0,
  version               BIGINT  NOT NULL DEFAULT 0,
  PRIMARY KEY (folder_id, uid)
);
CREATE UNIQUE INDEX mirror_messages_upstream ON mirror_messages (folder_id, upstream_uidvalidity, upstream_uid)
  WHERE upstream_uid <> 0;
CREATE INDEX mirror_messages_version ON mirror_messages (folder_id, version);
CREATE INDEX mirror_messages_article ON mirror_messages (article_id);

-- What clients changed here and upstream has not heard of yet, in the order of id. change is add or remove (flags) or
-- expunge.
CREATE TABLE mirror_changes (
  id                    TEXT    NOT NULL PRIMARY KEY,
  mailbox_id            TEXT    NOT NULL,
  folder_id             TEXT    NOT NULL REFERENCES mirror_folders (id) ON DELETE CASCADE,
  article_id            TEXT    NOT NULL,
  upstream_uidvalidity  BIGINT  NOT NULL,
  upstream_uid          BIGINT  NOT NULL,
  change                TEXT    NOT NULL,
  flags                 TEXT    NOT NULL DEFAULT '',
  created_ms            BIGINT  NOT NULL
);
CREATE INDEX mirror_changes_mailbox ON mirror_changes (mailbox_id, id);
CREATE INDEX mirror_changes_folder ON mirror_changes (folder_id, id);

-- +goose Down
DROP TABLE mirror_changes;
DROP TABLE mirror_messages;
DROP TABLE mirror_folders;
