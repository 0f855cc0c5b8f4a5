package sop

// commands are the subcommands, in the draft's order.
func commands() []command {
	var all []command
	all = append(all, aboutCommands()...)
	all = append(all, keyCommands()...)
	all = append(all, certificateCommands()...)
	all = append(all, messageCommands()...)
	all = append(all, inlineCommands()...)
	return append(all, armorCommands()...)
}

func find(name string) (command, bool) {
	for _, c := range commands() {
		if c.name == name {
			return c, true
		}
	}
	return command{}, false
}

func noArmor() option { return option{name: "--no-armor", help: "Write binary data."} }

func keyPassword() option {
	return option{name: "--with-key-password", value: "PASSWORD", many: true, help: "A file with a password that unlocks a secret key."}
}

func signAs(values string) option {
	return option{name: "--as", value: values, help: "What is signed; the first is the default. Text must be UTF-8."}
}

func aboutCommands() []command {
	return []command{
		{
			name: "version", summary: "Say which program this is.", stdout: "TEXT", run: runVersion,
			options: []option{
				{name: "--backend", help: "Name the OpenPGP library."},
				{name: "--extended", help: "Name all parts."},
				{name: "--sop-spec", help: "Name the specification, and what is missing of it."},
				{name: "--sopv", help: "Say which version of the verification-only subset this is."},
			},
		},
		{
			name: "list-profiles", summary: "List what --profile may say, the default first.", arguments: "SUBCOMMAND",
			stdout: "TEXT", least: 1, most: 1, run: runListProfiles,
		},
	}
}

func keyCommands() []command {
	return []command{
		{
			name: "generate-key", summary: "Make a new secret key.", arguments: "[USERID…]", stdout: "KEY", most: -1,
			run: runGenerateKey,
			options: []option{
				noArmor(),
				{name: "--with-key-password", value: "PASSWORD", help: "A file with the password that is to protect the key."},
				{name: "--profile", value: "PROFILE", help: "What kind of key; see list-profiles generate-key."},
				{name: "--signing-only", help: "Make no subkey for encryption."},
			},
		},
		{
			name: "change-key-password", summary: "Give secret keys another password, or none.", stdin: "KEYS", stdout: "KEYS",
			run: runChangeKeyPassword,
			options: []option{
				noArmor(),
				{name: "--new-key-password", value: "PASSWORD", help: "A file with the new password; without it the keys are not protected."},
				{name: "--old-key-password", value: "PASSWORD", many: true, help: "A file with a password that unlocks a secret key."},
			},
		},
		{
			name: "revoke-key", summary: "Make certificates that say that their key must not be used any more.",
			stdin: "KEYS", stdout: "CERTS", options: []option{noArmor(), keyPassword()}, run: runRevokeKey,
		},
		{
			name: "extract-cert", summary: "Make the certificates of secret keys.", stdin: "KEYS", stdout: "CERTS",
			options: []option{noArmor()}, run: runExtractCert,
		},
		{
			name: "update-key", summary: "Keep secret keys fit for use: renew weak self-signatures, add what is missing.",
			stdin: "KEYS", stdout: "KEYS", run: runUpdateKey,
			options: []option{
				noArmor(), keyPassword(),
				{name: "--signing-only", help: "Add no subkey for encryption."},
				{name: "--no-added-capabilities", help: "Add nothing that the key could not do before."},
				{name: "--merge-certs", value: "CERTS", many: true, help: "Certificates of the same keys to take news from."},
			},
		},
	}
}

func certificateCommands() []command {
	return []command{
		{
			name: "merge-certs", summary: "Add to certificates what other copies of them say.", arguments: "CERTS…",
			stdin: "CERTS", stdout: "CERTS", most: -1, options: []option{noArmor()}, run: runMergeCerts,
		},
		{
			name: "certify-userid", summary: "Vouch for user IDs of certificates.", arguments: "KEYS…", stdin: "CERTS",
			stdout: "CERTS", least: 1, most: -1, run: runCertifyUserID,
			options: []option{
				noArmor(), keyPassword(),
				{name: "--userid", value: "USERID", many: true, help: "What to vouch for."},
				{name: "--no-require-self-sig", help: "Vouch even for what the certificate does not claim."},
			},
		},
		{
			name: "validate-userid", summary: "Succeed when all certificates are bound to a user ID by an authority.",
			arguments: "USERID CERTS…", stdin: "CERTS", least: 2, most: -1, run: runValidateUserID,
			options: []option{
				{name: "--addr-spec-only", help: "USERID is a mail address, and only that part is compared."},
				{name: "--validate-at", value: "DATE", help: "The time that counts; now without it."},
			},
		},
	}
}

func periodOptions(prefix string) []option {
	return []option{
		{name: prefix + "not-before", value: "DATE", help: "Signatures made earlier do not count; - for no limit, the default."},
		{name: prefix + "not-after", value: "DATE", help: "Signatures made later do not count; now is the default."},
	}
}

func messageCommands() []command {
	return []command{
		{
			name: "sign", summary: "Make detached signatures.", arguments: "KEYS…", stdin: "DATA", stdout: "SIGNATURES",
			least: 1, most: -1, run: runSign,
			options: []option{
				noArmor(), keyPassword(), signAs("{binary|text}"),
				{name: "--micalg-out", value: "MICALG", output: true, help: "A file for the hash's name in PGP/MIME."},
			},
		},
		{
			name: "verify", summary: "Check detached signatures.", arguments: "SIGNATURES CERTS…", stdin: "DATA",
			stdout: "VERIFICATIONS", least: 2, most: -1, options: periodOptions("--"), run: runVerify,
		},
		{
			name: "encrypt", summary: "Encrypt to certificates, and sign.", arguments: "CERTS…", stdin: "DATA", stdout: "CIPHERTEXT",
			most: -1, run: runEncrypt,
			options: []option{
				noArmor(), keyPassword(), signAs("{binary|text}"),
				{name: "--sign-with", value: "KEYS", many: true, help: "A file with secret keys to sign with."},
				{name: "--profile", value: "PROFILE", help: "How to encrypt; see list-profiles encrypt."},
				{name: "--for", value: "{any|storage|communications}", help: "What it is for; our keys make no difference."},
				{name: "--with-password", value: "PASSWORD", many: true, help: "Not supported."},
				{name: "--session-key-out", value: "SESSIONKEY", help: "Not supported."},
			},
		},
		{
			name: "decrypt", summary: "Decrypt, and check the signatures inside.", arguments: "KEYS…", stdin: "CIPHERTEXT",
			stdout: "DATA", most: -1, run: runDecrypt, options: decryptOptions(),
		},
	}
}

func decryptOptions() []option {
	return append([]option{
		keyPassword(),
		{name: "--session-key-out", value: "SESSIONKEY", output: true, help: "A file for the message's session key."},
		{name: "--with-session-key", value: "SESSIONKEY", many: true, help: "A file with a session key to try first."},
		{name: "--with-password", value: "PASSWORD", many: true, help: "Not supported."},
		{name: "--verifications-out", value: "VERIFICATIONS", output: true, help: "A file for the signatures that count."},
		{name: "--verify-out", value: "VERIFICATIONS", output: true, help: "The same, under its older name."},
		{name: "--verify-with", value: "CERTS", many: true, help: "A file with certificates whose signatures count."},
	}, periodOptions("--verify-")...)
}

func inlineCommands() []command {
	return []command{
		{
			name: "inline-detach", summary: "Take a signed message and its signatures apart; verifies nothing.",
			stdin: "INLINESIGNED", stdout: "DATA", run: runInlineDetach,
			options: []option{
				noArmor(),
				{name: "--signatures-out", value: "SIGNATURES", output: true, help: "A file for the signatures."},
			},
		},
		{
			name: "inline-verify", summary: "Check a message that holds its signatures.", arguments: "CERTS…",
			stdin: "INLINESIGNED", stdout: "DATA", least: 1, most: -1, run: runInlineVerify,
			options: append(periodOptions("--"), option{
				name: "--verifications-out", value: "VERIFICATIONS", output: true, help: "A file for the signatures that count.",
			}),
		},
		{
			name: "inline-sign", summary: "Make one message that holds its signatures.", arguments: "KEYS…", stdin: "DATA",
			stdout: "INLINESIGNED", least: 1, most: -1, run: runInlineSign,
			options: []option{noArmor(), keyPassword(), signAs("{binary|text|clearsigned}")},
		},
	}
}

func armorCommands() []command {
	return []command{
		{name: "armor", summary: "Put armor around OpenPGP data.", stdin: "OPENPGP", stdout: "OPENPGP", run: runArmor},
		{name: "dearmor", summary: "Take armor off.", stdin: "OPENPGP", stdout: "OPENPGP", run: runDearmor},
	}
}
