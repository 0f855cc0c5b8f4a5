package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/sealgate/sealgate/migrations/dbtest"
)

// asSealgate makes the test binary behave as the real command, so that tests can start and kill real processes.
const asSealgate = "SEALGATE_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asSealgate) != "" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
		stop()
		os.Exit(code)
	}
	if err := flag.Set("test.parallel", "8"); err != nil { // the stories of torture wait for leases, not for the processor
		panic(err)
	}
	dbtest.Main(m)
}

// sealgate runs one command in this process and returns its output and exit code.
func sealgate(t *testing.T, stdin string, args ...string) (output string, code int) {
	t.Helper()
	var out bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(stdin), &out, &out)
	return out.String(), code
}

// must runs one command that has to succeed, and returns its result; what it tells people besides goes elsewhere.
func must(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	var out, besides bytes.Buffer
	if code := run(t.Context(), args, strings.NewReader(stdin), &out, &besides); code != 0 {
		t.Fatalf("sealgate %s: exit %d\n%s%s", strings.Join(args, " "), code, out.String(), besides.String())
	}
	return out.String()
}
