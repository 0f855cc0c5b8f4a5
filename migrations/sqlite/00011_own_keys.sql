-- +goose Up
-- The keys to which an article that came encrypted was encrypted (16 upper-case hex digits), so that it can be told what
-- depends on a key. A later opening of an article has no rows: the first one has.
CREATE TABLE article_readers (
  key_id      TEXT NOT NULL,
  article_id  TEXT NOT NULL REFERENCES articles (id) ON DELETE CASCADE,
  PRIMARY KEY (key_id, article_id)
);
CREATE INDEX article_readers_article ON article_readers (article_id);

INSERT INTO article_readers (key_id, article_id)
SELECT DISTINCT r.value, a.id FROM articles a, json_each(a.verdict, '$.encrypted_to') r
WHERE a.direction = 'in' AND json_valid(a.verdict) AND a.reopened_from = '';

-- +goose Down
DROP TABLE article_readers;
