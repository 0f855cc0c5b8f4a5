package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/web"
)

// config is the configuration file: infrastructure only. Groups, mailboxes, keys and people live in the database.
// Every value can be overridden by an environment variable, named beside it.
type config struct {
	Domain   string    `yaml:"domain" env:"DOMAIN"`
	Database string    `yaml:"database" env:"DATABASE"`
	Spool    string    `yaml:"spool" env:"SPOOL"`
	KMS      kmsConfig `yaml:"kms" envPrefix:"KMS_"`
	TLS      tlsConfig `yaml:"tls" envPrefix:"TLS_"`
	Listen   listen    `yaml:"listen" envPrefix:"LISTEN_"`
	Limits   limits    `yaml:"limits" envPrefix:"LIMITS_"`
	Log      logConfig `yaml:"log" envPrefix:"LOG_"`
	Policy   policy    `yaml:"policy" envPrefix:"POLICY_"`

	Keyring  keyringConfig  `yaml:"keyring" envPrefix:"KEYRING_"`
	Discover discoverConfig `yaml:"discover" envPrefix:"DISCOVER_"`
	Publish  publishConfig  `yaml:"publish" envPrefix:"PUBLISH_"`
	DKIM     dkimConfig     `yaml:"dkim" envPrefix:"DKIM_"`
	DNS      dnsConfig      `yaml:"dns" envPrefix:"DNS_"`

	AuthenticationResults bool `yaml:"authentication_results" env:"AUTHENTICATION_RESULTS"` // a field of ours on what arrives
}

// discoverConfig says where certificates are looked for that nobody imported. All of it makes proposals only.
type discoverConfig struct {
	WKD         bool   `yaml:"wkd" env:"WKD"`                 // ask the domains of addresses
	Keyserver   string `yaml:"keyserver" env:"KEYSERVER"`     // https://HOST (VKS) or hkps://HOST (HKP); "" for none
	Autocrypt   bool   `yaml:"autocrypt" env:"AUTOCRYPT"`     // fields of received messages
	Attachments bool   `yaml:"attachments" env:"ATTACHMENTS"` // keys attached to received messages
	Refresh     bool   `yaml:"refresh" env:"REFRESH"`         // ask daily for revocations and new expiries
}

// kmsConfig says where the key of the local provider lies.
type kmsConfig struct {
	KeyFile        string `yaml:"key_file" env:"KEY_FILE"`
	PassphraseFile string `yaml:"passphrase_file" env:"PASSPHRASE_FILE"` // "" means the key file is not protected
}

// tlsConfig is the certificate of every listener; both files are read again when they change.
type tlsConfig struct {
	Certificate string `yaml:"certificate" env:"CERTIFICATE"`
	Key         string `yaml:"key" env:"KEY"`
}

// listen holds "address mode" pairs, such as ":465 implicit", "127.0.0.1:1587 plain". Modes: implicit, starttls, plain
// (loopback only).
type listen struct {
	Submission []string `yaml:"submission" env:"SUBMISSION"`
	IMAP       []string `yaml:"imap" env:"IMAP"`
	Relay      []string `yaml:"relay" env:"RELAY"`     // for mail servers; see relay
	Web        string   `yaml:"web" env:"WEB"`         // modes: implicit, plain
	Proxies    []string `yaml:"proxies" env:"PROXIES"` // addresses and networks whose X-Forwarded-For field is believed
}

// limits bound what mail may cost.
type limits struct {
	MessageBytes int64 `yaml:"message_bytes" env:"MESSAGE_BYTES"`
	MemoryBytes  int64 `yaml:"memory_bytes" env:"MEMORY_BYTES"` // for messages under way

	// Of what is opened; over one of them, a message is passed on as it came and says so.
	MIMEDepth         int   `yaml:"mime_depth" env:"MIME_DEPTH"`
	MIMEParts         int   `yaml:"mime_parts" env:"MIME_PARTS"`
	HeaderBytes       int   `yaml:"header_bytes" env:"HEADER_BYTES"` // of one header block
	DecompressedBytes int64 `yaml:"decompressed_bytes" env:"DECOMPRESSED_BYTES"`
	DecompressedRatio int64 `yaml:"decompressed_ratio" env:"DECOMPRESSED_RATIO"` // bytes for each one of the encrypted message
	SessionKeys       int   `yaml:"session_keys" env:"SESSION_KEYS"`             // tried for one message
}

// policy is what no group goes below: off, auto, on or required.
type policy struct {
	Encrypt groups.Level `yaml:"encrypt" env:"ENCRYPT"`
	Sign    groups.Level `yaml:"sign" env:"SIGN"`
}

// check finds a level that is none.
func (p policy) check() error {
	for name, level := range map[string]groups.Level{"encrypt": p.Encrypt, "sign": p.Sign} {
		if !slices.Contains([]groups.Level{groups.Off, groups.Auto, groups.On, groups.Required}, level) {
			return fmt.Errorf("configuration: policy.%s is %q; choose off, auto, on or required", name, level)
		}
	}
	return nil
}

type logConfig struct {
	Level  string `yaml:"level" env:"LEVEL"`   // debug, info, warn, error
	Format string `yaml:"format" env:"FORMAT"` // text, json
}

// defaults are what a first start on one machine needs.
func defaults() config {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "sealgate.localdomain"
	}
	return config{
		Domain:   host,
		Database: "sqlite:data/sealgate.db",
		Spool:    "data/spool",
		KMS:      kmsConfig{KeyFile: "data/kek"},
		Listen: listen{
			Submission: []string{"127.0.0.1:1587 plain"},
			IMAP:       []string{"127.0.0.1:1143 plain"},
			Web:        "127.0.0.1:8025 plain",
		},
		Limits: limits{
			MessageBytes: 50 << 20, MemoryBytes: 128 << 20,
			MIMEDepth: 50, MIMEParts: 1000, HeaderBytes: 256 << 10,
			DecompressedBytes: 100 << 20, DecompressedRatio: 100, SessionKeys: 200,
		},
		Log:      logConfig{Level: "info", Format: "text"},
		Policy:   policy{Encrypt: groups.Off, Sign: groups.Off},
		Keyring:  defaultKeyring(),
		Discover: discoverConfig{WKD: true, Autocrypt: true, Attachments: true, Refresh: true},
		Publish:  publishConfig{WKD: true, Page: true, Keyserver: "https://keys.openpgp.org"},
		DKIM:     dkimConfig{Verify: true},
		DNS:      dnsConfig{Servers: []string{"system"}},
	}
}

// readConfig reads the file over the defaults, and the environment over the file. Relative paths are relative to the
// file's folder. Unknown keys are refused with their line.
func readConfig(path string) (config, error) {
	c := defaults()
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c, fmt.Errorf("there is no configuration file %s; copy docs/sealgate.example.yaml there and edit it, or name another file with --config", path)
	case err != nil:
		return c, fmt.Errorf("read configuration: %w", err)
	}
	given := c // a file that says nothing would make everything zero
	if err := yaml.UnmarshalWithOptions(text, &given, yaml.Strict()); err != nil {
		return c, fmt.Errorf("configuration file %s: %s", path, yaml.FormatError(err, false, true))
	}
	if saysSomething(text) {
		c = given
	}
	if err := readEnvironment(&c); err != nil {
		return c, err
	}
	c.resolve(filepath.Dir(path))
	return c, c.check()
}

// saysSomething tells whether a file holds more than blanks, comments and marks of documents.
func saysSomething(text []byte) bool {
	for l := range strings.Lines(string(text)) {
		if l = strings.TrimSpace(l); l != "" && l[0] != '#' && l != "---" && l != "..." {
			return true
		}
	}
	return false
}

// resolve makes relative paths absolute.
func (c *config) resolve(folder string) {
	for _, p := range []*string{&c.Spool, &c.KMS.KeyFile, &c.KMS.PassphraseFile, &c.TLS.Certificate, &c.TLS.Key} {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(folder, *p)
		}
	}
	if file := sqlitePath(c.Database); file != "" && !filepath.IsAbs(file) {
		c.Database = "sqlite:" + filepath.Join(folder, file)
	}
}

// check finds what can't work before anything is started.
func (c *config) check() error {
	if (c.TLS.Certificate == "") != (c.TLS.Key == "") {
		return errors.New("configuration: tls.certificate and tls.key must be given together")
	}
	if err := c.Limits.check(); err != nil {
		return err
	}
	if _, err := logger(c.Log, nil); err != nil {
		return err
	}
	if err := errors.Join(c.Keyring.check(), c.Discover.check(), c.Publish.check(), c.Policy.check(), c.DNS.check()); err != nil {
		return err
	}
	if _, err := web.ParseProxies(c.Listen.Proxies); err != nil {
		return fmt.Errorf("configuration: listen.proxies: %w", err)
	}
	for _, l := range append(append([]string{c.Listen.Web}, c.Listen.Submission...), c.Listen.IMAP...) {
		if _, err := c.endpoint(l); err != nil {
			return err
		}
	}
	for _, l := range c.Listen.Relay {
		if _, err := c.relayDoor(l); err != nil {
			return err
		}
	}
	return nil
}

// check finds limits that would refuse ordinary mail, or bound nothing.
func (l limits) check() error {
	if l.MessageBytes < 1<<20 {
		return errors.New("configuration: limits.message_bytes must be at least 1048576 (1 MiB)")
	}
	if l.MemoryBytes < 32<<20 {
		return errors.New("configuration: limits.memory_bytes must be at least 33554432 (32 MiB)")
	}
	for _, r := range []struct {
		key             string
		value, low, top int64
	}{
		{"mime_depth", int64(l.MIMEDepth), 5, 1000},
		{"mime_parts", int64(l.MIMEParts), 20, 100_000},
		{"header_bytes", int64(l.HeaderBytes), 16 << 10, 16 << 20},
		{"decompressed_bytes", l.DecompressedBytes, 1 << 20, 4 << 30},
		{"decompressed_ratio", l.DecompressedRatio, 10, 10_000},
		{"session_keys", int64(l.SessionKeys), 1, 10_000},
	} {
		if r.value < r.low || r.value > r.top {
			return fmt.Errorf("configuration: limits.%s is %d; choose a number from %d to %d", r.key, r.value, r.low, r.top)
		}
	}
	return nil
}

// opening are the limits of what is opened.
func (l limits) opening() pgpmime.Limits {
	return pgpmime.Limits{
		Depth: l.MIMEDepth, Parts: l.MIMEParts, HeaderBytes: l.HeaderBytes,
		Decompressed: l.DecompressedBytes, Ratio: l.DecompressedRatio, SessionKeys: l.SessionKeys,
	}
}

// endpoint is one listener as configured.
type endpoint struct {
	address string
	mode    string
}

// endpoint reads "address mode".
func (c *config) endpoint(s string) (endpoint, error) {
	fields := strings.Fields(s)
	if len(fields) != 2 {
		return endpoint{}, fmt.Errorf("configuration: listener %q must be an address and a mode, such as \":465 implicit\"", s)
	}
	e := endpoint{address: fields[0], mode: fields[1]}
	host, _, err := net.SplitHostPort(e.address)
	if err != nil {
		return e, fmt.Errorf("configuration: listener %q: the address must be host:port", s)
	}
	switch e.mode {
	case "implicit", "starttls":
		if c.TLS.Certificate == "" {
			return e, fmt.Errorf("configuration: listener %q needs tls.certificate and tls.key", s)
		}
	case "plain":
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return e, fmt.Errorf("configuration: listener %q: plain is for loopback addresses only; use implicit or starttls", s)
		}
	default:
		return e, fmt.Errorf("configuration: listener %q: the mode must be implicit, starttls or plain", s)
	}
	return e, nil
}

// logger builds the log. It writes identifiers, never content.
func logger(c logConfig, out *os.File) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		return nil, fmt.Errorf("configuration: log.level %q must be debug, info, warn or error", c.Level)
	}
	options := &slog.HandlerOptions{Level: level}
	switch c.Format {
	case "text":
		return slog.New(slog.NewTextHandler(out, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(out, options)), nil
	}
	return nil, fmt.Errorf("configuration: log.format %q must be text or json", c.Format)
}

// sqlitePath is the file of an SQLite database, "" for another engine.
func sqlitePath(url string) string {
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		return path
	}
	return ""
}
