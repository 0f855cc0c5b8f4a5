-- +goose Up
-- What may stay in clear about an article stands here; its bytes, its original and its subject are the sealed
-- objects (article, id), (original, id) and (subject, id).
CREATE TABLE articles (
  id             TEXT    NOT NULL PRIMARY KEY,
  group_id       TEXT    NOT NULL,
  mailbox_id     TEXT    NOT NULL,
  direction      TEXT    NOT NULL,
  from_address   TEXT    NOT NULL,
  to_addresses   TEXT    NOT NULL,
  message_id     TEXT    NOT NULL,
  in_reply_to    TEXT    NOT NULL DEFAULT '',
  date_ms        BIGINT  NOT NULL,
  received_ms    BIGINT  NOT NULL,
  size           BIGINT  NOT NULL,
  has_original   BOOLEAN NOT NULL DEFAULT FALSE,
  encryption     TEXT    NOT NULL,
  signature      TEXT    NOT NULL,
  signer         TEXT    NOT NULL DEFAULT '',
  verdict        TEXT    NOT NULL DEFAULT '{}',
  origin         TEXT    NULL UNIQUE,
  reopened_from  TEXT    NOT NULL DEFAULT ''
);
CREATE INDEX articles_group ON articles (group_id, received_ms);
CREATE INDEX articles_received ON articles (received_ms);
CREATE INDEX articles_message_id ON articles (message_id);
CREATE INDEX articles_reopened ON articles (reopened_from);

-- Keys that would open or verify an article that we could not: 16 upper-case hex digits.
CREATE TABLE article_keys (
  key_id      TEXT NOT NULL,
  article_id  TEXT NOT NULL REFERENCES articles (id) ON DELETE CASCADE,
  PRIMARY KEY (key_id, article_id)
);
CREATE INDEX article_keys_article ON article_keys (article_id);

-- +goose Down
DROP TABLE article_keys;
DROP TABLE articles;
