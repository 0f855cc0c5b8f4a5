package sop

import "fmt"

// ExitCode is a way to fail that the draft names (its section "Failure modes").
type ExitCode int

// The exit codes. Their String is the draft's name.
const (
	NoSignature               ExitCode = 3
	UnsupportedAsymmetricAlgo ExitCode = 13
	CertCannotEncrypt         ExitCode = 17
	MissingArg                ExitCode = 19
	IncompleteVerification    ExitCode = 23
	CannotDecrypt             ExitCode = 29
	PasswordNotHumanReadable  ExitCode = 31
	UnsupportedOption         ExitCode = 37
	BadData                   ExitCode = 41
	ExpectedText              ExitCode = 53
	OutputExists              ExitCode = 59
	MissingInput              ExitCode = 61
	KeyIsProtected            ExitCode = 67
	UnsupportedSubcommand     ExitCode = 69
	UnsupportedSpecialPrefix  ExitCode = 71
	AmbiguousInput            ExitCode = 73
	KeyCannotSign             ExitCode = 79
	IncompatibleOptions       ExitCode = 83
	UnsupportedProfile        ExitCode = 89
	NoHardwareKeyFound        ExitCode = 97
	HardwareKeyFailure        ExitCode = 101
	PrimaryKeyBad             ExitCode = 103
	CertUserIDNoMatch         ExitCode = 107
	KeyCannotCertify          ExitCode = 109
)

// String is the name that the draft gives the code.
func (c ExitCode) String() string {
	switch c {
	case NoSignature:
		return "NO_SIGNATURE"
	case UnsupportedAsymmetricAlgo:
		return "UNSUPPORTED_ASYMMETRIC_ALGO"
	case CertCannotEncrypt:
		return "CERT_CANNOT_ENCRYPT"
	case MissingArg:
		return "MISSING_ARG"
	case IncompleteVerification:
		return "INCOMPLETE_VERIFICATION"
	case CannotDecrypt:
		return "CANNOT_DECRYPT"
	case PasswordNotHumanReadable:
		return "PASSWORD_NOT_HUMAN_READABLE"
	case UnsupportedOption:
		return "UNSUPPORTED_OPTION"
	case BadData:
		return "BAD_DATA"
	case ExpectedText:
		return "EXPECTED_TEXT"
	case OutputExists:
		return "OUTPUT_EXISTS"
	case MissingInput:
		return "MISSING_INPUT"
	}
	return c.laterName()
}

// laterName names the codes that the draft added over the years.
func (c ExitCode) laterName() string {
	switch c {
	case KeyIsProtected:
		return "KEY_IS_PROTECTED"
	case UnsupportedSubcommand:
		return "UNSUPPORTED_SUBCOMMAND"
	case UnsupportedSpecialPrefix:
		return "UNSUPPORTED_SPECIAL_PREFIX"
	case AmbiguousInput:
		return "AMBIGUOUS_INPUT"
	case KeyCannotSign:
		return "KEY_CANNOT_SIGN"
	case IncompatibleOptions:
		return "INCOMPATIBLE_OPTIONS"
	case UnsupportedProfile:
		return "UNSUPPORTED_PROFILE"
	case NoHardwareKeyFound:
		return "NO_HARDWARE_KEY_FOUND"
	case HardwareKeyFailure:
		return "HARDWARE_KEY_FAILURE"
	case PrimaryKeyBad:
		return "PRIMARY_KEY_BAD"
	case CertUserIDNoMatch:
		return "CERT_USERID_NO_MATCH"
	case KeyCannotCertify:
		return "KEY_CANNOT_CERTIFY"
	}
	return fmt.Sprintf("UNSPECIFIED_FAILURE_%d", int(c))
}

// failure is an error with the exit code it ends the run with, and a sentence for people.
type failure struct {
	code     ExitCode
	sentence string
}

func (f failure) Error() string { return f.code.String() + ": " + f.sentence }

func fail(code ExitCode, format string, args ...any) error {
	return failure{code, fmt.Sprintf(format, args...)}
}
