package web

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// quietZone is the margin around a QR code in modules, without which readers do not find it (ISO/IEC 18004, section 9.1).
const quietZone = 4

// qrCode is a QR code to be drawn as one SVG path: each dark run of a row is a rectangle, one unit high.
type qrCode struct {
	Size int // of the whole square in units, the quiet zone included
	Path string
}

// fingerprintCode is what apps such as OpenKeychain scan to compare a fingerprint. The scheme is that of version 4; of others
// there is no code.
func fingerprintCode(fingerprint string, version int) (*qrCode, error) {
	if version != 4 {
		return nil, nil
	}
	code, err := qr.Encode("OPENPGP4FPR:"+fingerprint, qr.M) // letters, digits and a colon: the compact alphabet of QR codes
	if err != nil {
		return nil, fmt.Errorf("draw QR code: %w", err)
	}
	var path strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			from := x
			for x < code.Size && code.Black(x, y) {
				x++
			}
			if n := x - from; n > 0 {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", from+quietZone, y+quietZone, n, n)
			}
		}
	}
	return &qrCode{Size: code.Size + 2*quietZone, Path: path.String()}, nil
}
