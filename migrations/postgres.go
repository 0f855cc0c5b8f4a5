package migrations

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
)

// postgresConnections bounds the pool of one node; PostgreSQL allows 100 in all unless told otherwise.
const postgresConnections = 20

// connectTimeout bounds one attempt to connect when the address sets no connect_timeout.
const connectTimeout = 10 * time.Second

func openPostgres(ctx context.Context, address string) (*gorm.DB, error) {
	config, err := pgx.ParseConfig(address)
	if err != nil {
		// The cause would repeat the address, and in it the password.
		return nil, errors.New("the database address is not a valid postgres:// URL; write postgres://USER:PASSWORD@HOST:PORT/DATABASE and percent-encode special characters")
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	pool := stdlib.OpenDB(*config)
	pool.SetMaxOpenConns(postgresConnections)
	pool.SetMaxIdleConns(postgresConnections)
	db, err := open(postgres.New(postgres.Config{Conn: pool}))
	if err != nil {
		return nil, errors.Join(serverProblem(config, err), pool.Close())
	}
	if err := migratePostgres(ctx, db); err != nil {
		return nil, errors.Join(serverProblem(config, err), pool.Close())
	}
	return db, nil
}

// migratePostgres migrates under an advisory lock: of several nodes that start at once one works and the others wait,
// asking every second for five minutes.
func migratePostgres(ctx context.Context, db *gorm.DB) error {
	// A standby may be up to date: then only the first message would find out.
	var readOnly string
	if err := db.WithContext(ctx).Raw("SELECT current_setting('transaction_read_only')").Scan(&readOnly).Error; err != nil {
		return err
	}
	if readOnly == "on" {
		return ErrReadOnly
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
	if err != nil {
		return err
	}
	p, err := newProvider(db, goose.DialectPostgres, "postgres", goose.WithSessionLocker(locker))
	if err != nil {
		return err
	}
	return up(ctx, p)
}

// serverProblem turns what the server or the network said into a sentence with the remedy.
func serverProblem(config *pgx.ConnConfig, err error) error {
	where := fmt.Sprintf("PostgreSQL at %s port %d", config.Host, config.Port)
	var answer *pgconn.PgError
	var refused *pgconn.ConnectError
	switch {
	case errors.Is(err, ErrNewer):
		return fmt.Errorf("database %s on %s: %w", config.Database, where, err)
	case errors.Is(err, ErrReadOnly):
		return readOnlyProblem(where)
	case errors.As(err, &answer):
		return answerProblem(config, where, answer)
	case errors.As(err, &refused):
		return fmt.Errorf("cannot reach %s; check that it runs and that host, port and TLS settings in the database address are right (%w)", where, err)
	}
	return fmt.Errorf("open database %s on %s: %w", config.Database, where, err)
}

// answerProblem words an SQLSTATE (PostgreSQL documentation, appendix A).
func answerProblem(config *pgx.ConnConfig, where string, answer *pgconn.PgError) error {
	switch answer.Code {
	case "28P01", "28000":
		return fmt.Errorf("%s refused user %s; check user and password in the database address (%w)", where, config.User, answer)
	case "3D000":
		return fmt.Errorf("%s has no database %s; create it with: createdb --owner=%s %s (%w)", where, config.Database, config.User, config.Database, answer)
	case "42501":
		return fmt.Errorf("user %s may not create tables in database %s on %s; make it the owner of the database (%w)", config.User, config.Database, where, answer)
	case "25006":
		return readOnlyProblem(where)
	case "53300":
		return fmt.Errorf("%s has no free connection; raise max_connections (%w)", where, answer)
	case "57P03":
		return fmt.Errorf("%s is starting or stopping; try again when it is ready (%w)", where, answer)
	}
	return fmt.Errorf("open database %s on %s: %w", config.Database, where, answer)
}

func readOnlyProblem(where string) error {
	return fmt.Errorf("%w: %s accepts no writes; name the primary server in the database address", ErrReadOnly, where)
}
