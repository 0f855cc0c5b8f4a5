package pgpmime

import "github.com/sealgate/sealgate/gateway/pgpmime/pgp"

// Limits bound the work on untrusted input. The zero value means the defaults in brackets.
type Limits struct {
	Depth        int   // MIME nesting [50]
	Parts        int   // MIME parts [1000]
	HeaderBytes  int   // one header block [256 KiB]
	Decompressed int64 // plaintext of one encrypted message [100 MiB]
	Ratio        int64 // plaintext for each byte of the encrypted message; the first MiB is free [100]
	SessionKeys  int   // session keys tried [200]
}

func (l Limits) withDefaults() Limits {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&l.Depth, 50)
	def(&l.Parts, 1000)
	def(&l.HeaderBytes, 256<<10)
	def(&l.SessionKeys, 200)
	if l.Decompressed == 0 {
		l.Decompressed = 100 << 20
	}
	if l.Ratio == 0 {
		l.Ratio = 100
	}
	return l
}

// pgp are the limits for OpenPGP messages.
func (l Limits) pgp() pgp.Limits {
	return pgp.Limits{Decompressed: l.Decompressed, Ratio: l.Ratio, SessionKeys: l.SessionKeys}
}

// overLimit is the error for a message that is over one of the limits: its name, and words for people.
type overLimit struct{ limit, words string }

func (o overLimit) Error() string { return o.words }

// check walks the structure of a message in memory and says which limit it is over, if any.
func (l Limits) check(message []byte) error {
	_, err := parse(Of(message), l)
	return err
}

// embedded tells whether an entity holds a message that readers look into.
func embedded(mediaType string, fields []field) bool {
	return identity(transferEncoding(fields)) && (mediaType == "message/rfc822" || mediaType == "message/global")
}
