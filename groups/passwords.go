package groups

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// The cost of one password check: OWASP's first choice for Argon2id.
const (
	argonMemory = 19 << 10 // KiB
	argonTime   = 2
	argonLanes  = 1
	saltSize    = 16
	hashSize    = 32
)

// hashesAtOnce bounds the memory that logins can take: 4 times 19 MiB. Others wait.
const hashesAtOnce = 4

// The limits of a password: characters below, bytes above.
const (
	minUserPassword    = 12
	minMailboxPassword = 8
	maxPassword        = 1024
)

// hasher makes and checks Argon2id hashes, a few at a time.
type hasher struct{ slots chan struct{} }

func newHasher() hasher { return hasher{slots: make(chan struct{}, hashesAtOnce)} }

// hash returns a PHC string: $argon2id$v=19$m=19456,t=2,p=1$SALT$HASH.
func (h hasher) hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltSize)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	p := phc{memory: argonMemory, time: argonTime, lanes: argonLanes, salt: salt}
	var err error
	p.hash, err = h.derive(ctx, p, password, hashSize)
	return p.String(), err
}

// matches checks a password against a stored PHC string. An empty one, which stands for "no such login", takes the
// same work and never matches.
func (h hasher) matches(ctx context.Context, stored, password string) (bool, error) {
	p, err := parsePHC(stored)
	if stored == "" {
		p = phc{memory: argonMemory, time: argonTime, lanes: argonLanes, salt: make([]byte, saltSize), hash: make([]byte, hashSize)}
	} else if err != nil {
		return false, err
	}
	// What is longer than any password is cut and refused, again with the same work.
	short := password[:min(len(password), maxPassword)]
	got, err := h.derive(ctx, p, short, len(p.hash))
	if err != nil {
		return false, err
	}
	equal := subtle.ConstantTimeCompare(got, p.hash) == 1
	return equal && stored != "" && short == password, nil
}

func (h hasher) derive(ctx context.Context, p phc, password string, size int) ([]byte, error) {
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	secret := []byte(password)
	defer clear(secret)
	return argon2.IDKey(secret, p.salt, p.time, p.memory, p.lanes, uint32(size)), nil
}

// phc is a hash with its parameters in the form of the Password Hashing Competition.
type phc struct {
	memory, time uint32
	lanes        uint8
	salt, hash   []byte
}

func (p phc) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memory, p.time, p.lanes,
		b64.EncodeToString(p.salt), b64.EncodeToString(p.hash))
}

// errPHC keeps what it refuses out of its words: it is a password hash.
var errPHC = errors.New("the stored password hash is damaged; set the password again")

// parsePHC accepts what String writes, with other parameters as long as they stay affordable.
func parsePHC(text string) (phc, error) {
	parts := strings.Split(text, "$")
	if len(text) > 512 || len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v=19" {
		return phc{}, errPHC
	}
	var p phc
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.lanes); n != 3 || err != nil {
		return phc{}, errPHC
	}
	var err error
	if p.salt, err = base64.RawStdEncoding.Strict().DecodeString(parts[4]); err != nil {
		return phc{}, errPHC
	}
	if p.hash, err = base64.RawStdEncoding.Strict().DecodeString(parts[5]); err != nil {
		return phc{}, errPHC
	}
	affordable := p.memory <= 256<<10 && p.time <= 16 && p.lanes <= 16
	// The text must be the one that its values write, so that nothing is read into it.
	if p.time < 1 || p.lanes < 1 || !affordable || len(p.salt) < 8 || len(p.hash) < 16 || p.String() != text {
		return phc{}, errPHC
	}
	return p, nil
}

// checkPassword refuses passwords that are too short for whom they are for, or too long for anybody.
func checkPassword(password string, shortest int) error {
	switch {
	case utf8.RuneCountInString(password) < shortest:
		return invalid("password", "the password is too short; choose one with at least %d characters", shortest)
	case len(password) > maxPassword:
		return invalid("password", "the password is too long; choose one of at most %d bytes", maxPassword)
	}
	return nil
}
