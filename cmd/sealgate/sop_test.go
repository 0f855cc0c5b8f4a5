package main

import (
	"strings"
	"testing"
)

// TestSOP: package sop gets its arguments as they are, options and "--" too, and its exit codes come back.
func TestSOP(t *testing.T) {
	for _, try := range []struct {
		code int
		want string
		args []string
	}{
		{0, "sealgate " + version, []string{"sop", "version"}},
		{0, "Stateless OpenPGP", []string{"sop", "--help"}},
		{0, "generate-key [--no-armor]", []string{"sop", "generate-key", "--help"}},
		{0, "PRIVATE KEY", []string{"sop", "generate-key", "--", "--version"}},
		{83, "INCOMPATIBLE_OPTIONS", []string{"sop", "version", "--backend", "--extended"}},
		{69, "UNSUPPORTED_SUBCOMMAND", []string{"sop", "serve"}},
		{69, "UNSUPPORTED_SUBCOMMAND", []string{"sop"}},
	} {
		t.Run(strings.Join(try.args, " "), func(t *testing.T) {
			if out, code := sealgate(t, "", try.args...); code != try.code || !strings.Contains(out, try.want) {
				t.Errorf("exit %d\n%s", code, out)
			}
		})
	}
}
