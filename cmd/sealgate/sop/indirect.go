package sop

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// maxData bounds one input, in octets.
const maxData = 256 << 20

// standardInput reads it whole.
func (i *invocation) standardInput() ([]byte, error) { return readAll(i.In, "standard input") }

func readAll(r io.Reader, what string) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxData+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", what, err)
	case len(b) > maxData:
		return nil, fail(BadData, "%s is larger than %d MiB", what, maxData>>20)
	}
	return b, nil
}

// input reads what an argument names: a file, @ENV:NAME or @FD:NUMBER (the draft's indirect data types).
func (i *invocation) input(name string) ([]byte, error) {
	prefix, rest, special := specialPrefix(name)
	if special {
		if _, err := os.Lstat(name); err == nil {
			return nil, fail(AmbiguousInput, "a file is named %s: write ./%s if you mean it", name, name)
		}
	}
	switch {
	case prefix == "@ENV:":
		value, known := i.LookupEnv(rest)
		if !known {
			return nil, fail(MissingInput, "the environment variable %s is not set", rest)
		}
		return []byte(value), nil
	case prefix == "@FD:":
		return readDescriptor(rest)
	case special:
		return nil, fail(UnsupportedSpecialPrefix, "%s is not known: name a file, @ENV:NAME or @FD:NUMBER", prefix)
	}
	return readFile(name)
}

// specialPrefix splits what begins with "@" after the first colon.
func specialPrefix(name string) (prefix, rest string, special bool) {
	if !strings.HasPrefix(name, "@") {
		return "", name, false
	}
	prefix, rest, colon := strings.Cut(name, ":")
	if colon {
		prefix += ":"
	}
	return prefix, rest, true
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fail(MissingInput, "there is no file %s", name)
	case err != nil:
		return nil, fmt.Errorf("open: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	return readAll(f, name)
}

func readDescriptor(number string) ([]byte, error) {
	f, err := descriptor(number)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	b, err := readAll(f, "@FD:"+number)
	if errors.Is(err, fs.ErrInvalid) || errors.Is(err, os.ErrClosed) {
		return nil, fail(MissingInput, "the file descriptor %s is not open", number)
	}
	return b, err
}

// descriptor is a file descriptor that the caller left open for us.
func descriptor(number string) (*os.File, error) {
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil {
		return nil, fail(MissingInput, "%q is not the number of a file descriptor", number)
	}
	f := os.NewFile(uintptr(n), "@FD:"+number)
	if f == nil {
		return nil, fail(MissingInput, "the file descriptor %s is not open", number)
	}
	if _, err := f.Stat(); err != nil {
		return nil, fail(MissingInput, "the file descriptor %s is not open", number)
	}
	return f, nil
}

// checkOutputs refuses before any work what could not be written after it.
func (i *invocation) checkOutputs() error {
	for _, option := range i.command.outputs() {
		if !i.has(option) {
			continue
		}
		name := i.options[option][0]
		prefix, _, special := specialPrefix(name)
		_, err := os.Lstat(name)
		switch {
		case special && err == nil:
			return fail(AmbiguousInput, "a file is named %s: write ./%s if you mean it", name, name)
		case special && prefix != "@FD:":
			return fail(UnsupportedSpecialPrefix, "nothing can be written to %s: name a file or @FD:NUMBER", name)
		case !special && err == nil:
			return fail(OutputExists, "%s exists: remove it, or choose another name", name)
		}
	}
	return nil
}

// writeOutput writes what was made for an option, if it was given.
func (i *invocation) writeOutput(option string) (err error) {
	if !i.has(option) {
		return nil
	}
	name := i.options[option][0]
	var f *os.File
	if number, special := strings.CutPrefix(name, "@FD:"); special {
		f, err = descriptor(number)
	} else {
		f, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		return fail(OutputExists, "%s exists: remove it, or choose another name", name)
	case err != nil:
		return err
	}
	_, err = f.Write(i.files[option])
	return errors.Join(err, f.Close())
}

// keep sets aside what an option's output is to hold.
func (i *invocation) keep(option string, content []byte) {
	if i.files == nil {
		i.files = map[string][]byte{}
	}
	i.files[option] = content
}
