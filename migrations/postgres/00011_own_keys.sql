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
SELECT DISTINCT r.value, a.id
FROM (SELECT id, verdict FROM articles WHERE direction = 'in' AND verdict LIKE '%"encrypted_to":[%' AND reopened_from = '') a
CROSS JOIN LATERAL json_array_elements_text(a.verdict::json -> 'encrypted_to') r (value);

-- +goose Down
DROP TABLE article_readers;
