package bed

import (
	"os"
	"path/filepath"
)

// unpacked are programs of packages that cannot be installed beside Postfix. The script .ci/install-mailservers unpacks them, once
// a machine.
func unpacked(program string) string {
	paths := map[string]string{"exim4": "exim4-daemon-light/usr/sbin/exim4", "opensmtpd": "opensmtpd/usr/sbin/smtpd"}
	path, known := paths[program]
	cache, err := os.UserCacheDir()
	if !known || err != nil {
		return ""
	}
	path = filepath.Join(cache, "sealgate-test-mailservers", path)
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}
