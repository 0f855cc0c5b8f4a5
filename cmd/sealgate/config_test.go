package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/keyring"
)

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sealgate.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestExampleConfigurationIsTheDefault: the documented file is read without complaint and says what a missing key means.
func TestExampleConfigurationIsTheDefault(t *testing.T) {
	text, err := os.ReadFile("../../docs/sealgate.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := readConfig(writeConfig(t, string(text)))
	if err != nil {
		t.Fatal(err)
	}
	empty, err := readConfig(writeConfig(t, "domain: "+c.Domain+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []*config{&c, &empty} { // each file has a folder of its own
		p.Database, p.Spool, p.KMS.KeyFile = filepath.Base(p.Database), filepath.Base(p.Spool), filepath.Base(p.KMS.KeyFile)
	}
	if !reflect.DeepEqual(c, empty) {
		t.Errorf("example  %+v\ndefaults %+v", c, empty)
	}
}

// TestBadConfigurationIsSaid: each mistake gets its sentence, unknown keys with their line.
func TestBadConfigurationIsSaid(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"unknown key":        {"domain: x\ndatabse: y\n", "[2:1] unknown field \"databse\""},
		"unknown inner key":  {"domain: x\nkms:\n  keyfile: y\n", "[3:3] unknown field \"keyfile\""},
		"no YAML":            {"{{", "configuration file"},
		"plain to the world": {"listen:\n  web: 0.0.0.0:80 plain\n", "plain is for loopback addresses only"},
		"no mode":            {"listen:\n  web: 127.0.0.1:80\n", "an address and a mode"},
		"odd mode":           {"listen:\n  web: 127.0.0.1:80 maybe\n", "implicit, starttls or plain"},
		"TLS without files":  {"listen:\n  imap: [\":993 implicit\"]\n", "needs tls.certificate and tls.key"},
		"half a TLS pair":    {"tls:\n  key: x\n", "given together"},
		"tiny messages":      {"limits:\n  message_bytes: 5\n", "at least 1048576"},
		"little memory":      {"limits:\n  memory_bytes: 5000000\n", "32 MiB"},
		"no depth":           {"limits:\n  mime_depth: 0\n", "limits.mime_depth is 0; choose a number from 5 to 1000"},
		"too deep":           {"limits:\n  mime_depth: 1001\n", "from 5 to 1000"},
		"few parts":          {"limits:\n  mime_parts: 19\n", "limits.mime_parts is 19; choose a number from 20 to 100000"},
		"small header":       {"limits:\n  header_bytes: 1024\n", "limits.header_bytes is 1024"},
		"large header":       {"limits:\n  header_bytes: 16777217\n", "to 16777216"},
		"open without bound": {"limits:\n  decompressed_bytes: -1\n", "limits.decompressed_bytes is -1"},
		"ratio of one":       {"limits:\n  decompressed_ratio: 1\n", "limits.decompressed_ratio is 1; choose a number from 10 to 10000"},
		"no session keys":    {"limits:\n  session_keys: 0\n", "limits.session_keys is 0"},
		"tiny certificates":  {"keyring:\n  certificate_bytes: 1024\n", "keyring.certificate_bytes is 1024; choose a number from 16384 to 16777216"},
		"no user IDs":        {"keyring:\n  user_ids: 0\n", "keyring.user_ids is 0"},
		"no subkeys":         {"keyring:\n  subkeys: 0\n", "keyring.subkeys is 0"},
		"no self-signatures": {"keyring:\n  signatures: 1\n", "keyring.signatures is 1"},
		"RSA without bound":  {"keyring:\n  key_bits: 65536\n", "keyring.key_bits is 65536"},
		"Argon2 in a bomb":   {"keyring:\n  argon2_memory: 2199023255552\n", "keyring.argon2_memory is 2199023255552"},
		"Argon2 for ever":    {"keyring:\n  argon2_work: -1\n", "keyring.argon2_work is -1"},
		"hashing for ever":   {"keyring:\n  s2k_work: 1\n", "keyring.s2k_work is 1"},
		"no number":          {"limits:\n  session_keys: many\n", "configuration file"},
		"a name for a proxy": {"listen:\n  proxies: [proxy.test]\n", "listen.proxies: \"proxy.test\" is neither an address"},
		"HKP for uploads":    {"publish:\n  keyserver: hkps://keys.test\n", "publish.keyserver \"hkps://keys.test\" must be https://HOST"},
		"keyserver at home":  {"publish:\n  keyserver: https://127.0.0.1\n", "publish.keyserver: 127.0.0.1 is no public name"},
		"odd log level":      {"log:\n  level: loud\n", "debug, info, warn or error"},
		"odd log format":     {"log:\n  format: xml\n", "text or json"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readConfig(writeConfig(t, c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if _, err := readConfig(filepath.Join(t.TempDir(), "none.yaml")); err == nil || !strings.Contains(err.Error(), "--config") {
		t.Errorf("no file: %v", err)
	}
}

// TestLimitsReachTheGateway: each limit bounds what it is named for, and the defaults are those of the engine.
func TestLimitsReachTheGateway(t *testing.T) {
	c, err := readConfig(writeConfig(t, "limits:\n  mime_depth: 5\n  mime_parts: 20\n  header_bytes: 16384\n  decompressed_bytes: 1048576\n  decompressed_ratio: 10\n  session_keys: 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := openParts(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	want := pgpmime.Limits{Depth: 5, Parts: 20, HeaderBytes: 16384, Decompressed: 1048576, Ratio: 10, SessionKeys: 1}
	if p.gateway.Limits != want {
		t.Errorf("the gateway has %+v, want %+v", p.gateway.Limits, want)
	}
	engine := pgpmime.Limits{Depth: 50, Parts: 1000, HeaderBytes: 256 << 10, Decompressed: 100 << 20, Ratio: 100, SessionKeys: 200}
	if got := defaults().Limits.opening(); got != engine {
		t.Errorf("defaults %+v, want %+v", got, engine)
	}
}

// TestKeyringLimitsReachTheKeyring: each limit bounds what it is named for, and the defaults are those of the keyring.
func TestKeyringLimitsReachTheKeyring(t *testing.T) {
	c, err := readConfig(writeConfig(t, "keyring:\n  certificate_bytes: 16384\n  user_ids: 5\n  subkeys: 6\n  signatures: 50\n  key_bits: 4096\n"+
		"  argon2_memory: 67108864\n  argon2_work: 67108865\n  s2k_work: 67108866\n"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := openParts(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	want := keyring.Limits{
		CertificateBytes: 16384, UserIDs: 5, Subkeys: 6, Signatures: 50, KeyBits: 4096,
		Argon2Memory: 67108864, Argon2Work: 67108865, S2KWork: 67108866,
	}
	if got := p.gateway.Keyring.Limits; got != want {
		t.Errorf("the keyring has %+v, want %+v", got, want)
	}
	if got := defaults().Keyring.limits(); got != keyring.DefaultLimits() {
		t.Errorf("defaults %+v", got)
	}
}

// TestEnvironmentOverrides: every key of the file has its variable.
func TestEnvironmentOverrides(t *testing.T) {
	t.Setenv("SEALGATE_DATABASE", "postgres://db/x")
	t.Setenv("SEALGATE_KMS_KEY_FILE", "/k")
	t.Setenv("SEALGATE_LISTEN_SUBMISSION", "127.0.0.1:1 plain,127.0.0.1:2 plain")
	t.Setenv("SEALGATE_LOG_FORMAT", "json")
	t.Setenv("SEALGATE_LIMITS_DECOMPRESSED_RATIO", "20")
	c, err := readConfig(writeConfig(t, "database: sqlite:x\n"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Database != "postgres://db/x" || c.KMS.KeyFile != "/k" || len(c.Listen.Submission) != 2 || c.Log.Format != "json" || c.Limits.DecompressedRatio != 20 {
		t.Errorf("%+v", c)
	}
	eachLeaf(reflect.TypeOf(c), "SEALGATE_", "", func(variable, key string) {
		if variable == "" || strings.HasSuffix(variable, "_") || key == "" {
			t.Errorf("key %q has variable %q", key, variable)
		}
	})
}

// eachLeaf visits every setting with its variable and its key.
func eachLeaf(structure reflect.Type, prefix, path string, visit func(variable, key string)) {
	for i := range structure.NumField() {
		f := structure.Field(i)
		key := path + f.Tag.Get("yaml")
		if f.Type.Kind() == reflect.Struct {
			eachLeaf(f.Type, prefix+f.Tag.Get("envPrefix"), key+".", visit)
			continue
		}
		visit(prefix+f.Tag.Get("env"), key)
	}
}

// TestComposeFileFits: every file, port and setting that the containers name exists and means what it should.
func TestComposeFileFits(t *testing.T) {
	text, err := os.ReadFile("../../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Services map[string]struct {
			Build, Image string
			Restart      string
			Environment  map[string]string
			Secrets      []string
			Volumes      []string
			Ports        []string
			DependsOn    map[string]struct{ Condition string } `yaml:"depends_on"`
			Healthcheck  struct {
				Test              []string
				Interval, Timeout string
				Retries           int
			}
			ReadOnly    bool     `yaml:"read_only"`
			CapDrop     []string `yaml:"cap_drop"`
			SecurityOpt []string `yaml:"security_opt"`
		}
		Secrets map[string]struct{ File string }
		Volumes map[string]any
	}
	if err := yaml.UnmarshalWithOptions(text, &file, yaml.Strict()); err != nil {
		t.Fatalf("schema: %v", yaml.FormatError(err, false, true))
	}
	variables := map[string]bool{}
	eachLeaf(reflect.TypeOf(config{}), "SEALGATE_", "", func(variable, _ string) { variables[variable] = true })
	exposed := dockerfileWords(t, "EXPOSE")
	for name, service := range file.Services {
		for variable, value := range service.Environment {
			if strings.HasPrefix(variable, "SEALGATE_") && !variables[variable] {
				t.Errorf("%s: there is no setting %s", name, variable)
			}
			if _, secret, ok := strings.Cut(value, "/run/secrets/"); ok {
				secret, _, _ = strings.Cut(secret, "&")
				if _, known := file.Secrets[secret]; !known || !contains(service.Secrets, secret) {
					t.Errorf("%s: the secret %s is not given to it", name, secret)
				}
			}
		}
		for _, secret := range service.Secrets {
			if file.Secrets[secret].File == "" || !strings.Contains(string(text), "#   "+file.Secrets[secret].File) && !strings.Contains(string(text), ", "+file.Secrets[secret].File) {
				t.Errorf("%s: the file of secret %s is not explained at the top", name, secret)
			}
		}
		for _, v := range service.Volumes {
			source, _, _ := strings.Cut(v, ":")
			if _, named := file.Volumes[source]; !named && !strings.Contains(string(text), "  "+source) && !strings.Contains(string(text), "to "+source) {
				t.Errorf("%s: nothing says what %s is", name, source)
			}
		}
		for _, p := range service.Ports {
			if _, inside, _ := strings.Cut(p, ":"); !contains(exposed, inside) {
				t.Errorf("%s: the Dockerfile does not expose %s", name, inside)
			}
		}
		for dependency := range service.DependsOn {
			if len(file.Services[dependency].Healthcheck.Test) == 0 {
				t.Errorf("%s waits for %s, which has no health check", name, dependency)
			}
		}
	}
	environment := file.Services["sealgate"].Environment
	for variable, value := range environment {
		t.Setenv(variable, value)
	}
	if _, err := readConfig("../../docs/sealgate.example.yaml"); err != nil {
		t.Errorf("the container's settings: %v", err)
	}
}

// TestDockerfileIsStaticAndUnprivileged: a static binary on nothing, not root, started with a command that exists.
func TestDockerfileIsStaticAndUnprivileged(t *testing.T) {
	text, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CGO_ENABLED=0", "FROM scratch", "USER 65532:65532", `ENTRYPOINT ["/sealgate"]`, `CMD ["serve", "--config", "/etc/sealgate/sealgate.yaml"]`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the Dockerfile does not say %s", want)
		}
	}
	for _, source := range []string{"go.mod", "go.sum"} {
		if _, err := os.Stat("../../" + source); err != nil {
			t.Errorf("the Dockerfile copies %s: %v", source, err)
		}
	}
}

// dockerfileWords are the words after an instruction.
func dockerfileWords(t *testing.T, instruction string) []string {
	t.Helper()
	text, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, instruction+" "); ok {
			return strings.Fields(rest)
		}
	}
	return nil
}

func contains(list []string, s string) bool {
	for _, one := range list {
		if one == s {
			return true
		}
	}
	return false
}

// TestFileThatSaysNothing: an empty file, or one with comments only, means the defaults, and the environment over them.
func TestFileThatSaysNothing(t *testing.T) {
	t.Setenv("SEALGATE_DOMAIN", "gate.test")
	for _, text := range []string{"", "\n", "# nothing yet\n", "---\n# nothing yet\n"} {
		c, err := readConfig(writeConfig(t, text))
		if err != nil || c.Domain != "gate.test" || c.Limits != defaults().Limits || len(c.Listen.IMAP) != 1 {
			t.Errorf("%q is read as %+v (%v)", text, c, err)
		}
	}
}

// TestBadEnvironmentIsSaid: by the name of the variable, and before anything is started.
func TestBadEnvironmentIsSaid(t *testing.T) {
	for name, want := range map[string]string{
		"SEALGATE_DATABSE":              "SEALGATE_DATABSE: it means nothing here",
		"SEALGATE_LIMITS_MESSAGE_BYTES": "SEALGATE_LIMITS_MESSAGE_BYTES must be a whole number",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "many")
			if _, err := readConfig(writeConfig(t, "")); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
		})
	}
}
