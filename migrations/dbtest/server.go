package dbtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// superuser owns the test server, in PostgreSQL and, when the tests run as root (which initdb refuses), in the system.
const superuser = "postgres"

// keeper makes the server, says "ready", and undoes everything when its standard input ends: that happens even if the
// test binary is killed. Without PIPE ignored, saying "ready" to nobody would end it before the clean-up. Durability
// is off, because nobody outlives this server's crash. Everybody is trusted but a role named locked.
const keeper = `
trap '"$BIN/pg_ctl" -D "$DIR/data" -m immediate -w stop >>"$DIR/log" 2>&1; cd /; rm -rf "$DIR"' EXIT
trap '' PIPE
cd "$DIR" &&
"$BIN/initdb" -D "$DIR/data" -A trust -U postgres -E UTF8 --locale=C --no-sync >>"$DIR/log" 2>&1 </dev/null &&
sed -i '1i host all locked 127.0.0.1/32 scram-sha-256' "$DIR/data/pg_hba.conf" &&
"$BIN/pg_ctl" -D "$DIR/data" -l "$DIR/server.log" -w \
  -o "-p $PORT -k $DIR -h 127.0.0.1 -c max_connections=300 -c fsync=off -c full_page_writes=off" \
  start >>"$DIR/log" 2>&1 </dev/null &&
echo ready && cat >/dev/null ||
cat "$DIR/log" "$DIR/server.log"
`

// server is the PostgreSQL of one test binary.
type server struct {
	mu        sync.Mutex
	wired     bool  // Main runs and will stop it
	failed    error // why it did not start; said to every later test
	cmd       *exec.Cmd
	stdin     io.Closer
	address   string // host:port, fixed once it runs
	databases int
}

// shared is the one exception to "no package variables": testing has no value that spans the tests of a binary.
var shared server

func (s *server) wire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wired = true
}

// createDatabase starts the server if need be and returns the name of a new database in it.
func (s *server) createDatabase(t testing.TB) string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.wired {
		t.Fatal("this package uses dbtest with PostgreSQL and needs: func TestMain(m *testing.M) { dbtest.Main(m) }")
	}
	bin := needPostgres(t)
	if s.cmd == nil && s.failed == nil {
		s.failed = s.start(bin)
	}
	if s.failed != nil {
		t.Fatalf("start PostgreSQL: %v", s.failed)
	}
	s.databases++
	name := fmt.Sprintf("test%d", s.databases)
	if err := s.run("CREATE DATABASE " + name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.run("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return name
}

// run executes one statement on a connection of its own, which leaves no goroutine behind.
func (s *server) run(statement string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, "postgres://"+superuser+"@"+s.address+"/postgres?sslmode=disable")
	if err != nil {
		return fmt.Errorf("connect to the test PostgreSQL: %w", err)
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}

func (s *server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return
	}
	s.stdin.Close()
	s.cmd.Wait() // its exit code is that of the clean-up, which nobody needs
	s.cmd = nil
}

// start runs the keeper and waits for it. Another process may take the free port before PostgreSQL does, so it
// tries three times.
func (s *server) start(bin string) error {
	var failures error
	for range 3 {
		err := s.tryStart(bin)
		if err == nil {
			return nil
		}
		failures = errors.Join(failures, err)
	}
	return failures
}

func (s *server) tryStart(bin string) error {
	dir, err := os.MkdirTemp("", "sealgate-pg")
	if err != nil {
		return err
	}
	owner, err := giveToOwner(dir)
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	port, err := freePort()
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	cmd := exec.Command("/bin/sh", "-c", keeper)
	cmd.Env = append(os.Environ(), "BIN="+bin, "DIR="+dir, "PORT="+strconv.Itoa(port), "LC_ALL=C")
	// A session of its own: an interrupt from the keyboard reaches the tests, and the keeper through them.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner, Setsid: true}
	stdin, stdout, err := startPiped(cmd)
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		rest, _ := io.ReadAll(stdout)
		return errors.Join(fmt.Errorf("%s%s", line, rest), err, stdin.Close(), cmd.Wait())
	}
	s.cmd, s.stdin, s.address = cmd, stdin, net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	return nil
}

func startPiped(cmd *exec.Cmd) (io.Closer, io.Reader, error) {
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	return stdin, stdout, cmd.Start()
}

// giveToOwner hands dir to the system's postgres user when the tests run as root, and returns whom to run as.
func giveToOwner(dir string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup(superuser)
	if err != nil {
		return nil, err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(dir, uid, gid)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// needPostgres returns the folder of the newest installed server's programs. Distributions keep several side by side.
func needPostgres(t testing.TB) string {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		t.Fatal(err)
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		found = append(found, path)
	}
	best, newest := "", -1
	for _, path := range found {
		bin := filepath.Dir(path)
		version, _ := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
		if version > newest {
			best, newest = bin, version
		}
	}
	if best != "" {
		return best
	}
	const missing = "PostgreSQL is not installed (Debian: apt-get install postgresql)"
	if os.Getenv("SEALGATE_PEERS") == "required" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}
