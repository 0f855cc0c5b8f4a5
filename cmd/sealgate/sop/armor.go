package sop

import (
	"bytes"
	"errors"
	"io"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/sealgate/sealgate/gateway/pgpmime/armor"
)

const (
	beginLine = "-----BEGIN PGP "
	endLine   = "-----END PGP "
)

var errNoOpenPGP = errors.New("there is no OpenPGP data in it")

// isArmored tells text that holds armor from packets, whose first octet has bit 7 set (RFC 9580, section 4.2). There may
// be armor in what packets say.
func isArmored(content []byte) bool {
	return len(content) > 0 && content[0]&0x80 == 0 && bytes.Contains(content, []byte(beginLine))
}

// binaryOf takes the armor off, if there is any: of all its blocks, one after the other.
func binaryOf(content []byte) ([]byte, error) {
	if !isArmored(content) {
		if len(content) == 0 || content[0]&0x80 == 0 {
			return nil, errNoOpenPGP
		}
		return content, nil
	}
	var all []byte
	for rest := content; ; {
		begin := bytes.Index(rest, []byte(beginLine))
		if begin < 0 {
			return all, nil
		}
		block := rest[begin:]
		end := bytes.Index(block, []byte(endLine))
		if end < 0 {
			return nil, io.ErrUnexpectedEOF
		}
		if next := bytes.IndexByte(block[end:], '\n'); next >= 0 {
			block, rest = block[:end+next+1], block[end+next+1:]
		} else {
			rest = nil
		}
		r, err := armor.NewReader(bytes.NewReader(block))
		if err != nil {
			return nil, err
		}
		binary, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		all = append(all, binary...)
	}
}

// emit puts what was made on standard output, armored unless --no-armor says otherwise.
func (i *invocation) emit(blockType string, binary []byte) error {
	if i.has("--no-armor") {
		_, err := i.out.Write(binary)
		return err
	}
	return armorTo(&i.out, blockType, binary)
}

func armorTo(out io.Writer, blockType string, binary []byte) error {
	w := armor.NewWriter(out, blockType)
	if _, err := w.Write(binary); err != nil {
		return err
	}
	return w.Close()
}

// runArmor puts armor around what has none.
func runArmor(i *invocation) error {
	content, err := i.standardInput()
	if err != nil {
		return err
	}
	if bytes.HasPrefix(bytes.TrimSpace(content), []byte(beginLine)) {
		_, err := i.out.Write(content)
		return err
	}
	blockType, err := typeOf(content)
	if err != nil {
		return fail(BadData, "standard input cannot be armored: %v", err)
	}
	return armorTo(&i.out, blockType, content)
}

// typeOf tells from the first packets what armor to write.
func typeOf(binary []byte) (string, error) {
	packets := packet.NewOpaqueReader(bytes.NewReader(binary))
	for {
		p, err := packets.Next()
		switch {
		case errors.Is(err, io.EOF) && len(binary) > 0:
			return armor.Signature, nil // nothing but signatures
		case err != nil:
			return "", errNoOpenPGP
		}
		switch p.Tag {
		case tagMarker, tagSignature: // a marker says nothing; signatures stand alone, or before a text
		case tagSecretKey:
			return armor.PrivateKey, nil
		case tagPublicKey:
			return armor.PublicKey, nil
		case 1, 3, 4, 8, 9, 11, 18, 20:
			return armor.Message, nil
		default:
			return "", errNoOpenPGP
		}
	}
}

// runDearmor takes it off.
func runDearmor(i *invocation) error {
	content, err := i.standardInput()
	if err != nil {
		return err
	}
	if !isArmored(content) {
		return fail(BadData, "standard input is not armored")
	}
	binary, err := binaryOf(content)
	if err != nil {
		return fail(BadData, "the armor of standard input is damaged: %v", err)
	}
	_, err = i.out.Write(binary)
	return err
}
