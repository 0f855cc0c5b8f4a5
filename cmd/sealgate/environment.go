package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"
)

// environmentPrefix begins the name of every variable.
const environmentPrefix = "SEALGATE_"

// errUnknownVariable is for a name that is no setting.
var errUnknownVariable = errors.New("it means nothing here; docs/configuration.md has the names")

// readEnvironment reads the environment over the file. A name that means nothing is an error, as in the file: with a
// misspelt one a server would run with another database than the one that was meant.
func readEnvironment(c *config) error {
	options := env.Options{Prefix: environmentPrefix}
	known, err := env.GetFieldParamsWithOptions(c, options)
	if err != nil {
		return fmt.Errorf("environment: %w", err)
	}
	names := []string{"SEALGATE_CONFIG", "SEALGATE_PEERS", "SEALGATE_SHOTS", "SEALGATE_CASES"} // the last three are the tests'
	for _, k := range known {
		names = append(names, k.Key)
	}
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		forTests := strings.HasPrefix(name, "SEALGATE_TEST_") || strings.HasPrefix(name, "SEALGATE_WRITE_")
		if strings.HasPrefix(name, environmentPrefix) && !slices.Contains(names, name) && !forTests {
			return fmt.Errorf("environment: %s: %w", name, errUnknownVariable)
		}
	}
	return namedByVariable(env.ParseWithOptions(c, options), names)
}

// namedByVariable says which variable cannot be read: the library names a field of the program.
func namedByVariable(err error, names []string) error {
	mistake := env.ParseError{}
	if err == nil || !errors.As(err, &mistake) {
		return err
	}
	for _, name := range names {
		if strings.HasSuffix(strings.ReplaceAll(name, "_", ""), strings.ToUpper(mistake.Name)) {
			return fmt.Errorf("environment: %s must be a whole number", name)
		}
	}
	return fmt.Errorf("environment: %w", err)
}
