package sop

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// specification is the revision of the draft that we follow.
const specification = "draft-dkg-openpgp-stateless-cli-14"

// runVersion says who we are, in one of the draft's five ways.
func runVersion(i *invocation) error {
	if len(i.options) > 1 && !(len(i.options) == 2 && i.has("--debug")) {
		return fail(IncompatibleOptions, "version takes one option at a time")
	}
	own := "sealgate " + i.Version
	switch {
	case i.has("--backend"):
		fmt.Fprintln(&i.out, backend())
	case i.has("--extended"):
		fmt.Fprintf(&i.out, "%s\n%s\n%s %s/%s\n", own, backend(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	case i.has("--sop-spec"):
		fmt.Fprintf(&i.out, "~%s\n\nMissing: messages encrypted with a password (--with-password), encrypt --session-key-out, "+
			"@HARDWARE: keys.\n", specification)
	case i.has("--sopv"):
		fmt.Fprintln(&i.out, "1.0")
	default:
		fmt.Fprintln(&i.out, own)
	}
	return nil
}

// backend is the OpenPGP library below the engine.
func backend() string {
	const library = "github.com/ProtonMail/go-crypto"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == library {
				return "ProtonMail/go-crypto " + m.Version
			}
		}
	}
	return "ProtonMail/go-crypto"
}
