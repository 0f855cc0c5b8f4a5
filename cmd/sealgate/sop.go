package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"time"

	"github.com/sealgate/sealgate/cmd/sealgate/sop"
)

// sopCommand is the Stateless OpenPGP command line; package sop reads its arguments. It uses no configuration.
type sopCommand struct {
	Arguments []string `arg:"" optional:"" passthrough:"" name:"subcommand" help:"sealgate sop --help lists the subcommands."`
}

// Run does it.
func (c sopCommand) Run(s *session) error {
	code := sop.Program{
		Version: version, In: s.in, Out: s.out, Err: s.errOut, LookupEnv: os.LookupEnv, Now: time.Now(), Random: rand.Reader,
	}.Run(c.Arguments)
	if code != 0 {
		return exitCode(code)
	}
	return nil
}

// exitCode is the error of a command that told what went wrong, and whose exit code says more than 1.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }
