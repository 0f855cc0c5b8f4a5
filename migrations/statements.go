package migrations

import (
	"context"
	"database/sql/driver"
	"strings"
)

// SQLite compiles each statement before it runs it, and for the small statements of a mail that is much of the time. Drivers of
// PostgreSQL keep compiled statements by themselves; modernc's does not, and gorm's PrepareStmt closes those of a
// transaction with it. So each connection to a file keeps its own.

// maxStatements is how many compiled statements a connection keeps: more than Sealgate has in its busy places.
const maxStatements = 256

// remembering opens connections that keep their compiled statements.
type remembering struct{ driver.Connector }

// Connect implements driver.Connector.
func (r remembering) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := r.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &rememberingConn{connection: c.(connection), kept: map[string]*statement{}}, nil
}

// connection is what modernc's connections can do.
type connection interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// rememberingConn is used by one goroutine at a time, as database/sql promises.
type rememberingConn struct {
	connection
	kept map[string]*statement
}

// statement is a compiled statement. While rows of it are being read nobody else may use it.
type statement struct {
	compiled
	busy bool
}

type compiled interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// ExecContext implements driver.ExecerContext.
func (c *rememberingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	s, err := c.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.connection.ExecContext(ctx, query, args)
	}
	return s.ExecContext(ctx, args)
}

// QueryContext implements driver.QueryerContext.
func (c *rememberingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.connection.QueryContext(ctx, query, args)
	}
	found, err := s.QueryContext(ctx, args)
	if err != nil {
		return nil, err
	}
	s.busy = true
	return &rows{typedRows: found.(typedRows), of: s}, nil
}

// statement returns the compiled query, or nil for what is not worth keeping or being read just now.
func (c *rememberingConn) statement(ctx context.Context, query string) (*statement, error) {
	if s, ok := c.kept[query]; ok {
		if s.busy {
			return nil, nil
		}
		return s, nil
	}
	if !worthKeeping(query) {
		return nil, nil
	}
	prepared, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	c.makeRoom()
	s := &statement{compiled: prepared.(compiled)}
	c.kept[query] = s
	return s, nil
}

// worthKeeping leaves out scripts, what changes the schema, and savepoints, whose names never come again.
func worthKeeping(query string) bool {
	verb, _, _ := strings.Cut(query, " ")
	switch strings.ToUpper(verb) {
	case "SELECT", "INSERT", "UPDATE", "DELETE":
		return len(query) < 4096 && !strings.Contains(query, ";")
	}
	return false
}

// makeRoom forgets any statement that nobody reads.
func (c *rememberingConn) makeRoom() {
	for query, s := range c.kept {
		if len(c.kept) < maxStatements {
			return
		}
		if !s.busy {
			s.Close() //nolint:errcheck // it repeats what its last use said
			delete(c.kept, query)
		}
	}
}

// Close implements driver.Conn.
func (c *rememberingConn) Close() error {
	for _, s := range c.kept {
		s.Close() //nolint:errcheck // it repeats what its last use said
	}
	clear(c.kept)
	return c.connection.Close()
}

// rows give their statement back when they are closed.
type rows struct {
	typedRows
	of *statement
}

// typedRows is what modernc's rows can do.
type typedRows interface {
	driver.Rows
	driver.RowsColumnTypeDatabaseTypeName
	driver.RowsColumnTypeLength
	driver.RowsColumnTypeNullable
	driver.RowsColumnTypePrecisionScale
	driver.RowsColumnTypeScanType
}

// Close implements driver.Rows.
func (r *rows) Close() error {
	r.of.busy = false
	return r.typedRows.Close()
}
