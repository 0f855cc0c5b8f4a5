package discover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"
)

// Upload is what a VKS keyserver says about a certificate that was sent to it. It shows an address only after the
// address's owner followed a link in a mail, which RequestVerification asks for with Token.
type Upload struct {
	Fingerprint string            `json:"key_fpr"`
	Token       string            `json:"token"`
	Status      map[string]string `json:"status"` // by address: unpublished, published, revoked, pending
}

// Upload sends an armored certificate to the VKS keyserver.
func (f *Finder) Upload(ctx context.Context, armored []byte) (Upload, error) {
	return f.vks(ctx, "/vks/v1/upload", map[string]any{"keytext": string(armored)})
}

// RequestVerification asks the keyserver to send a mail to each of these addresses.
func (f *Finder) RequestVerification(ctx context.Context, token string, addresses []string) (Upload, error) {
	return f.vks(ctx, "/vks/v1/request-verify", map[string]any{"token": token, "addresses": addresses})
}

func (f *Finder) vks(ctx context.Context, path string, question any) (Upload, error) {
	host, hkp := f.keyserver()
	if host == "" || hkp {
		return Upload{}, errors.New("no keyserver with the VKS interface is named; write it as https://HOST")
	}
	body, err := json.Marshal(question)
	if err != nil {
		return Upload{}, err
	}
	if err := f.patience().allow(host); err != nil {
		return Upload{}, err
	}
	resp, err := f.network().post(ctx, "https://"+host+path, body)
	if err == nil && resp.status != http.StatusOK {
		err = resp.refused()
	}
	f.patience().tell(host, resp.retryAfter, err)
	if err != nil {
		return Upload{}, fmt.Errorf("upload to %s: %w", host, err)
	}
	var u Upload
	if err := json.Unmarshal(resp.body, &u); err != nil {
		return Upload{}, fmt.Errorf("upload to %s: the answer cannot be read: %w", host, err)
	}
	return u, nil
}

// maxWords is the longest of a keyserver's own sentences that is passed on, in bytes.
const maxWords = 200

// refused is why an upload was not taken, in the keyserver's own words where it has some.
func (r response) refused() error {
	err := r.taken()
	var said struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(r.body, &said) != nil {
		return err
	}
	words := strings.TrimSpace(strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return ' '
		}
		return c
	}, said.Error[:min(len(said.Error), maxWords)]))
	if words == "" {
		return err
	}
	return fmt.Errorf("it says %q: %w", words, err)
}
