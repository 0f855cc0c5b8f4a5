package keyring

// UserIDAddress returns the one canonical address that a user ID names, or "" when it names none or more than one.
func UserIDAddress(text string) string { return userIDAddress(text) }
