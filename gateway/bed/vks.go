package bed

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// VKS is a keyserver with the VKS interface, in memory: it takes a certificate from anybody, and finds it by an address only
// after the owner of the address followed the link in a mail. It is an http.Handler, safe for concurrent use.
type VKS struct {
	mu        sync.Mutex
	held      map[string][]byte            // armored, by fingerprint
	addresses map[string]map[string]string // the state of each address, by fingerprint
	tokens    map[string]string            // the fingerprint that each stands for
	mails     []string                     // the addresses that were written to, in order
}

// NewVKS makes one that holds nothing.
func NewVKS() *VKS {
	return &VKS{held: map[string][]byte{}, addresses: map[string]map[string]string{}, tokens: map[string]string{}}
}

// ServeHTTP implements http.Handler: /vks/v1/upload, request-verify, by-fingerprint and by-email.
func (k *VKS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	what, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/vks/v1/"), "/")
	switch r.Method + " " + what {
	case "POST upload":
		k.upload(w, r)
	case "POST request-verify":
		k.requestVerify(w, r)
	case "GET by-fingerprint":
		k.give(w, rest)
	case "GET by-email":
		for fingerprint, states := range k.addresses {
			if states[rest] == "published" {
				k.give(w, fingerprint)
				return
			}
		}
		k.give(w, "")
	default:
		refuse(w, http.StatusNotFound, "no such thing")
	}
}

func (k *VKS) upload(w http.ResponseWriter, r *http.Request) {
	var question struct {
		Keytext string `json:"keytext"`
	}
	if r.Header.Get("Content-Type") != "application/json" || json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&question) != nil {
		refuse(w, http.StatusBadRequest, "the request is not JSON")
		return
	}
	block, err := armor.Decode(strings.NewReader(question.Keytext))
	if err != nil || block.Type != openpgp.PublicKeyType {
		refuse(w, http.StatusBadRequest, "Parsing of key data failed.")
		return
	}
	all, err := openpgp.ReadKeyRing(block.Body)
	if err != nil || len(all) != 1 || all[0].PrivateKey != nil {
		refuse(w, http.StatusBadRequest, "Parsing of key data failed.")
		return
	}
	fingerprint := fmt.Sprintf("%X", all[0].PrimaryKey.Fingerprint)
	k.held[fingerprint] = []byte(question.Keytext)
	states := k.addresses[fingerprint]
	if states == nil {
		states = map[string]string{}
		k.addresses[fingerprint] = states
	}
	for _, id := range all[0].Identities {
		if states[id.UserId.Email] == "" {
			states[id.UserId.Email] = "unpublished"
		}
	}
	token := rand.Text()
	k.tokens[token] = fingerprint
	answerStatus(w, token, fingerprint, states)
}

func (k *VKS) requestVerify(w http.ResponseWriter, r *http.Request) {
	var question struct {
		Token     string   `json:"token"`
		Addresses []string `json:"addresses"`
	}
	if json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&question) != nil {
		refuse(w, http.StatusBadRequest, "the request is not JSON")
		return
	}
	fingerprint, known := k.tokens[question.Token]
	if !known {
		refuse(w, http.StatusBadRequest, "Upload session expired. Please try again.")
		return
	}
	states := k.addresses[fingerprint]
	for _, address := range question.Addresses {
		if states[address] == "" {
			refuse(w, http.StatusBadRequest, "Error: address is not in the key")
			return
		}
	}
	for _, address := range question.Addresses {
		if states[address] == "unpublished" {
			states[address] = "pending"
			k.mails = append(k.mails, address)
		}
	}
	answerStatus(w, question.Token, fingerprint, states)
}

func (k *VKS) give(w http.ResponseWriter, fingerprint string) {
	armored, ok := k.held[fingerprint]
	if !ok {
		refuse(w, http.StatusNotFound, "No key found")
		return
	}
	w.Header().Set("Content-Type", "application/pgp-keys")
	w.Write(armored)
}

// Mails returns the addresses that a verification mail was sent to, in order.
func (k *VKS) Mails() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]string{}, k.mails...)
}

// Confirm is the owner of an address who follows the link in the mail.
func (k *VKS) Confirm(address string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, states := range k.addresses {
		if states[address] == "pending" {
			states[address] = "published"
		}
	}
}

// Holds returns the armored certificate with this fingerprint, nil when there is none.
func (k *VKS) Holds(fingerprint string) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	return bytes.Clone(k.held[fingerprint])
}

func answerStatus(w http.ResponseWriter, token, fingerprint string, states map[string]string) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"token": token, "key_fpr": fingerprint, "status": states})
}

func refuse(w http.ResponseWriter, status int, words string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"error": words})
}
