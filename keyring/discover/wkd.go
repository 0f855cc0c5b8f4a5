package discover

import (
	"context"
	"errors"
	"strings"

	"github.com/sealgate/sealgate/keyring"
	"github.com/sealgate/sealgate/keyring/publish"
)

// wkd asks the web key directory of the address's domain (draft-koch-openpgp-webkey-service, section 3.1): the advanced
// host first, the direct one only when the name of the advanced host does not exist. A 404 of the advanced host, or one
// that does not answer, is the end: else whoever can silence it would choose what is believed.
func (f *Finder) wkd(ctx context.Context, address string, r *Report, choose choice) {
	local, domain, _ := cutAddress(address)
	advanced, direct := publish.Locations(local, domain)
	if err := f.wkdAt(ctx, domain, address, advanced, r, choose); !errors.Is(err, errNoName) {
		return
	}
	_ = f.wkdAt(ctx, domain, address, direct, r, choose) // the report has its error
}

// choice takes what it wants of an answer.
type choice func(body []byte) ([]*keyring.Item, error)

func (f *Finder) wkdAt(ctx context.Context, domain, address, target string, r *Report, choose choice) error {
	body, err := f.fetch(ctx, domain, target)
	var items []*keyring.Item
	if err == nil {
		items, err = choose(body)
	}
	r.add(keyring.WKD, target, findings(keyring.WKD, address, target, items), err)
	return err
}

// cutAddress separates a canonical address at its last @.
func cutAddress(address string) (local, domain string, ok bool) {
	at := strings.LastIndexByte(address, '@')
	if at < 1 {
		return "", "", false
	}
	return address[:at], address[at+1:], true
}

func findings(source keyring.Source, address, from string, items []*keyring.Item) []Finding {
	var all []Finding
	for _, item := range items {
		all = append(all, Finding{Source: source, Address: address, From: from, Item: item})
	}
	return all
}
