package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/groups"
)

// cli is who the command line is in the activity log. Whoever can read the key file is an administrator.
var cli = gateway.Actor{Name: "cli", Role: groups.Admin}

// with opens the parts for one command and closes them after it. The log goes to standard error, warnings only.
func (s *session) with(use func(p *parts) error) error {
	c, err := readConfig(s.config)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(s.errOut, &slog.HandlerOptions{Level: slog.LevelWarn}))
	p, err := openParts(s.ctx, c, log)
	if err != nil {
		return err
	}
	return errors.Join(use(p), p.Close())
}

// table prints rows under a heading, columns aligned; without rows it says so.
func (s *session) table(heading string, rows [][]string) error {
	if len(rows) == 0 {
		s.said("There is nothing to list.")
		return nil
	}
	w := tabwriter.NewWriter(s.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, strings.ReplaceAll(heading, " | ", "\t"))
	for _, r := range rows {
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	return w.Flush()
}

// json prints a value for programs.
func (s *session) json(v any) error {
	e := json.NewEncoder(s.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// said tells a person what was done. It goes where warnings go, so that programs read results only.
func (s *session) said(format string, values ...any) { fmt.Fprintf(s.errOut, format+"\n", values...) }

// input reads a whole input file, or standard input for "-"; at most limit bytes.
func (s *session) input(path string, limit int64) ([]byte, error) {
	r := s.in
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, s.fileError(path, err)
		}
		defer f.Close()
		r = f
	}
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, s.fileError(path, err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return b, nil
}

// output writes a file that must not exist yet, mode 0600, or standard output for "-".
func (s *session) output(path string, content []byte) error {
	if path == "-" {
		_, err := s.out.Write(content)
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

// secret reads a secret from the first line of a file, or of standard input for "-"; nil for "".
func (s *session) secret(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	if path == "-" {
		line, err := bufio.NewReader(s.in).ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read secret from standard input: %w", err)
		}
		return bytes.TrimRight(line, "\r\n"), nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, s.fileError(path, err)
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	if line = bytes.TrimRight(line, "\r"); len(line) == 0 {
		return nil, s.fileError(path, errors.New("its first line is empty; write the secret there"))
	}
	return line, nil
}

// secretString is secret for values that are stored as text; nil for "".
func (s *session) secretString(path string) (*string, error) {
	b, err := s.secret(path)
	if err != nil || b == nil {
		return nil, err
	}
	text := string(b)
	return &text, nil
}
