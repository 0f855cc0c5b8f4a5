package main

import (
	"fmt"
	"strings"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/keyring/discover"
)

// publishConfig says what everybody may read of our own certificates, without a login.
type publishConfig struct {
	WKD       bool   `yaml:"wkd" env:"WKD"`             // answer as the web key directory of our groups' domains
	Page      bool   `yaml:"page" env:"PAGE"`           // a page for each sender address
	List      bool   `yaml:"list" env:"LIST"`           // and one that lists them
	Keyserver string `yaml:"keyserver" env:"KEYSERVER"` // https://HOST, for uploads on request; "" for none
}

// check finds a keyserver that takes no uploads.
func (p publishConfig) check() error {
	if p.Keyserver == "" {
		return nil
	}
	if !strings.HasPrefix(p.Keyserver, "https://") {
		return fmt.Errorf("configuration: publish.keyserver %q must be https://HOST, of a keyserver with the VKS interface", p.Keyserver)
	}
	if err := discover.CheckKeyserver(p.Keyserver); err != nil {
		return fmt.Errorf("configuration: publish.keyserver: %w", err)
	}
	return nil
}

func (p publishConfig) publishing() gateway.Publishing {
	return gateway.Publishing{WKD: p.WKD, Page: p.Page, List: p.List, Keyserver: p.Keyserver}
}
