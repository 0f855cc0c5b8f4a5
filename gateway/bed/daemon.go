package bed

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"text/template"
	"time"
)

//go:embed conf
var confs embed.FS

// patience bounds every command of a peer, and the wait for its ports.
const patience = 20 * time.Second

// configure fills one of our configuration files in and writes it, readable by the daemon's own user.
func configure(t testing.TB, name, path string, values any) {
	t.Helper()
	filled, err := template.ParseFS(confs, "conf/"+name)
	if err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
	var b bytes.Buffer
	if err := filled.Execute(&b, values); err != nil {
		t.Fatalf("fill in %s: %v", name, err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatalf("write %s: %v", name, err)
	}
}

// freePorts returns n different ports that were free a moment ago.
func freePorts(t testing.TB, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatalf("ask for a free port: %v", err)
		}
		defer l.Close() // not before all were given
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// start runs a daemon's start command. Its output goes to a file: the daemon would keep a pipe open for ever.
func start(dir string, program string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	path := filepath.Join(dir, "start.log")
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.CommandContext(ctx, find(program), args...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		words, _ := os.ReadFile(path)
		return fmt.Errorf("%s %q: %w\n%s", program, args, err, words)
	}
	return nil
}

// startTwice starts a daemon on ports from the kernel, and once more on others: somebody else may take a port between
// our asking and the daemon's start.
func startTwice(t testing.TB, n int, try func(ports []int) error) []int {
	t.Helper()
	first := freePorts(t, n)
	err := try(first)
	if err == nil {
		return first
	}
	t.Logf("start again: %v", err)
	second := freePorts(t, n)
	if err := try(second); err != nil {
		t.Fatal(err)
	}
	return second
}

// listening waits until every port accepts connections.
func listening(ports []int) error {
	for _, port := range ports {
		err := until(patience, func() error {
			conn, err := net.DialTimeout("tcp4", local(port), time.Second)
			if err != nil {
				return err
			}
			return conn.Close()
		})
		if err != nil {
			return fmt.Errorf("wait for the peer: %w", err)
		}
	}
	return nil
}

// stopAtEnd ends a daemon by its pid when the test ends, waits until it has gone, and shows its log when the test
// failed. Both our daemons take SIGTERM for "stop all your children, then yourself"; postfix stop itself would only
// send it and look once a second.
func stopAtEnd(t testing.TB, log, pidFile string) {
	t.Helper()
	var daemon *os.Process
	err := until(patience, func() error { // written a moment after the start command ended
		content, err := os.ReadFile(pidFile)
		if err != nil {
			return err
		}
		pid, err := strconv.Atoi(string(bytes.TrimSpace(content)))
		if err != nil {
			return err
		}
		daemon, err = os.FindProcess(pid)
		return err
	})
	if err != nil {
		t.Fatalf("find the daemon: %v", err)
	}
	t.Cleanup(func() {
		err := daemon.Signal(syscall.SIGTERM)
		if err == nil {
			err = until(patience, func() error { return stillThere(daemon) })
		}
		if err != nil {
			t.Logf("stop the daemon of %s: %v", log, err)
		}
		if t.Failed() {
			words, _ := os.ReadFile(log)
			t.Logf("%s:\n%s", log, words)
		}
	})
}

// stillThere is an error while a process that is not our child works. A zombie has ended: when it is collected is up
// to the system's first process, which in containers may take seconds.
func stillThere(p *os.Process) error {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid))
	_, state, _ := bytes.Cut(stat, []byte(") ")) // after the name in brackets
	if err != nil || bytes.HasPrefix(state, []byte("Z")) {
		return nil
	}
	return fmt.Errorf("process %d still runs", p.Pid)
}
