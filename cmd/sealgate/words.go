package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
)

// inCommands says in the words of the command line what the packages below say in those of the page.
func inCommands(sentence string) string {
	return strings.NewReplacer(
		"enter it and import the file again", "name a file with it: --passphrase-file FILE",
		"check it and import the file again", "check the first line of --passphrase-file",
		"paste a certificate or choose its file", "name a file that holds a certificate",
		"upload the file, or paste the armored form (gpg --armor --export)", "name the binary file itself, or export it anew with gpg --armor --export",
		"paste the whole block from its BEGIN line to its END line, or upload the file", "name a file with the whole block, from its BEGIN line to its END line",
		"switch Encrypt off", "use --encrypt off",
	).Replace(sentence)
}

// listed are the commands that have a list.
const listed = " key group mailbox user article queue "

// inWords is an error as the command line says it: command is the one that was run, such as "key show".
func inWords(err error, command string) string {
	for _, none := range []error{gateway.ErrNotFound, groups.ErrNotFound, keyring.ErrNotFound, queue.ErrNotFound} {
		if !errors.Is(err, none) {
			continue
		}
		about, _, _ := strings.Cut(command, " ")
		if strings.Contains(err.Error(), "group \"") || command == "plan" || command == "compose" {
			about = "group"
		}
		if strings.Contains(listed, " "+about+" ") {
			words := strings.TrimSuffix(err.Error(), none.Error())
			return words + "there is none of this name or id; see: sealgate " + about + " list"
		}
	}
	return inCommands(err.Error())
}

// optionWith is the option that was given this value, as it is written, or "".
func (s *session) optionWith(value string) string {
	for i, arg := range s.args {
		name, given, joined := strings.Cut(arg, "=")
		if strings.HasPrefix(name, "--") && (joined && given == value || !joined && i+1 < len(s.args) && s.args[i+1] == value) {
			return name
		}
	}
	return ""
}

// fileError says which file cannot be read, why, and which option named it.
func (s *session) fileError(path string, err error) error {
	why := err
	var problem *fs.PathError
	if errors.As(err, &problem) {
		why = problem.Err
	}
	if option := s.optionWith(path); option != "" {
		return fmt.Errorf("%s %s: the file cannot be read: %w", option, path, why)
	}
	return fmt.Errorf("%s: the file cannot be read: %w", path, why)
}
