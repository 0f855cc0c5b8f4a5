package migrations_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

// Both folders of SQL must make the same tables: same columns in the same order, types, NOT NULL and indexes.
func TestBothEnginesHaveTheSameSchema(t *testing.T) {
	schemas := map[string][]string{}
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		if db.Name() == "sqlite" {
			schemas["sqlite"] = sqliteSchema(t, db)
		} else {
			schemas["postgres"] = postgresSchema(t, db)
		}
	})
	if len(schemas) < 2 {
		t.Skip("needs both engines")
	}
	if len(schemas["sqlite"]) < 50 {
		t.Fatalf("only %d lines of schema seen", len(schemas["sqlite"]))
	}
	for _, line := range difference(schemas["sqlite"], schemas["postgres"]) {
		t.Errorf("only in sqlite:   %s", line)
	}
	for _, line := range difference(schemas["postgres"], schemas["sqlite"]) {
		t.Errorf("only in postgres: %s", line)
	}
}

func difference(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(line string) bool { return slices.Contains(b, line) })
}

type column struct {
	TableName string
	Position  int
	Name      string
	Type      string
	NotNull   bool
}

func (c column) String() string {
	return fmt.Sprintf("%s.%d %s %s notnull=%t", c.TableName, c.Position, c.Name, strings.ToLower(c.Type), c.NotNull)
}

func sqliteSchema(t *testing.T, db *gorm.DB) []string {
	schema := columns(t, db, `
		SELECT m.name AS table_name, c.cid + 1 AS position, c.name, replace(c.type, 'BLOB', 'bytea') AS type, c."notnull" AS not_null
		FROM sqlite_master m, pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name NOT LIKE 'goose%' AND m.name NOT LIKE 'sqlite%'`)
	// An INTEGER PRIMARY KEY is SQLite's row number and needs no index.
	schema = append(schema, indexes(t, db, `
		SELECT m.name || ' unique=1 ' || c.name
		FROM sqlite_master m, pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name NOT LIKE 'goose%' AND m.name NOT LIKE 'sqlite%'
		AND c.pk > 0 AND NOT EXISTS (SELECT 1 FROM pragma_index_list(m.name) WHERE origin = 'pk')`)...)
	return append(schema, indexes(t, db, `
		SELECT m.name || ' unique=' || i."unique" || ' ' || group_concat(c.name, ',' ORDER BY c.seqno)
		FROM sqlite_master m, pragma_index_list(m.name) i, pragma_index_info(i.name) c
		WHERE m.type = 'table' AND m.name NOT LIKE 'goose%' AND m.name NOT LIKE 'sqlite%'
		GROUP BY m.name, i.name, i."unique"`)...)
}

func postgresSchema(t *testing.T, db *gorm.DB) []string {
	schema := columns(t, db, `
		SELECT table_name, ordinal_position AS position, column_name AS name, data_type AS type, is_nullable = 'NO' AS not_null
		FROM information_schema.columns
		WHERE table_schema = 'public' AND table_name NOT LIKE 'goose%'`)
	return append(schema, indexes(t, db, `
		SELECT r.relname || ' unique=' || i.indisunique::int || ' ' || string_agg(a.attname, ',' ORDER BY k.position)
		FROM pg_index i
		JOIN pg_class r ON r.oid = i.indrelid
		CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (attnum, position)
		JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
		WHERE r.relnamespace = 'public'::regnamespace AND r.relname NOT LIKE 'goose%'
		GROUP BY r.relname, i.indexrelid, i.indisunique`)...)
}

func columns(t *testing.T, db *gorm.DB, query string) []string {
	t.Helper()
	var found []column
	if err := db.Raw(query).Scan(&found).Error; err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, c := range found {
		lines = append(lines, c.String())
	}
	return lines
}

func indexes(t *testing.T, db *gorm.DB, query string) []string {
	t.Helper()
	var lines []string
	if err := db.Raw(query).Scan(&lines).Error; err != nil {
		t.Fatal(err)
	}
	return lines
}
