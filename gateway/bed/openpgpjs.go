package bed

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

//go:embed testdata/openpgpjs/driver.mjs
var openPGPJSDriver []byte

//go:embed testdata/openpgpjs/package.json
var openPGPJSPackage []byte

// OpenPGPJS is the JavaScript library openpgp, run by node through a driver script of ours. It knows version 6 keys and
// SEIPDv2. The script .ci/install-openpgpjs installs the pinned version, once a machine; no test uses the network.
type OpenPGPJS struct{ program }

// NewOpenPGPJS finds it. It calls Need.
func NewOpenPGPJS(t testing.TB) *OpenPGPJS {
	t.Helper()
	Need(t, "openpgpjs")
	o := &OpenPGPJS{program: newProgram(t, "node")}
	driver := filepath.Join(o.dir, "driver.mjs")
	write(t, driver, openPGPJSDriver)
	folder, err := openPGPJSFolder()
	if err != nil {
		t.Fatal(err)
	}
	o.args = []string{driver, folder}
	return o
}

// openPGPJSFolder is where the installed library is, or should be.
func openPGPJSFolder() (string, error) {
	var pinned struct{ Dependencies struct{ OpenPGP string } }
	if err := json.Unmarshal(openPGPJSPackage, &pinned); err != nil {
		return "", fmt.Errorf("read package.json: %w", err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder: %w", err)
	}
	return filepath.Join(cache, "sealgate-test-openpgpjs-"+pinned.Dependencies.OpenPGP), nil
}

// openPGPJSMissing tells why the library cannot be used, or "".
func openPGPJSMissing() string {
	folder, err := openPGPJSFolder()
	if err == nil {
		_, err = os.Stat(filepath.Join(folder, "node_modules", "openpgp", "package.json"))
	}
	if err != nil {
		return "openpgpjs is not installed (make peers)"
	}
	return missing("node")
}

type openPGPJSTask struct {
	Task         string   `json:"task"`
	Name         string   `json:"name,omitempty"`
	Email        string   `json:"email,omitempty"`
	Kind         string   `json:"kind"`
	Plain        []byte   `json:"plain,omitempty"`
	Key          string   `json:"key,omitempty"`    // secret
	Signer       string   `json:"signer,omitempty"` // secret to sign with, or a certificate to verify with
	Certificates []string `json:"certificates,omitempty"`
	Message      string   `json:"message,omitempty"`
	Signature    string   `json:"signature,omitempty"`
}

func (o *OpenPGPJS) do(task openPGPJSTask) (text, data []byte, err error) {
	request, err := json.Marshal(task)
	if err != nil {
		return nil, nil, err
	}
	out, err := o.output(request)
	if err != nil {
		return nil, nil, err
	}
	var answer struct {
		Text string `json:"text"`
		Data []byte `json:"data"`
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		return nil, nil, fmt.Errorf("openpgpjs answered %q: %w", out, err)
	}
	return []byte(answer.Text), answer.Data, nil
}

// Version is that of the library.
func (o *OpenPGPJS) Version() (string, error) {
	text, _, err := o.do(openPGPJSTask{Task: "version"})
	return string(text), err
}

// Generate makes a key; the kinds are in the driver script.
func (o *OpenPGPJS) Generate(userID, kind string) ([]byte, error) {
	name, address, _ := strings.Cut(strings.TrimSuffix(userID, ">"), " <")
	text, _, err := o.do(openPGPJSTask{Task: "generate", Name: name, Email: address, Kind: kind})
	return text, err
}

// Certificate extracts it.
func (o *OpenPGPJS) Certificate(key []byte) ([]byte, error) {
	text, _, err := o.do(openPGPJSTask{Task: "certificate", Key: string(key)})
	return text, err
}

// Encrypt encrypts, and signs inside.
func (o *OpenPGPJS) Encrypt(plain, signer []byte, certificates ...[]byte) ([]byte, error) {
	task := openPGPJSTask{Task: "encrypt", Plain: plain, Signer: string(signer)}
	for _, c := range certificates {
		task.Certificates = append(task.Certificates, string(c))
	}
	text, _, err := o.do(task)
	return text, err
}

// Decrypt decrypts, and insists on the signature where a signer is given.
func (o *OpenPGPJS) Decrypt(message, key, signer []byte) ([]byte, error) {
	_, data, err := o.do(openPGPJSTask{Task: "decrypt", Message: string(message), Key: string(key), Signer: string(signer)})
	return data, err
}

// Sign makes a detached signature.
func (o *OpenPGPJS) Sign(plain, key []byte) ([]byte, error) {
	text, _, err := o.do(openPGPJSTask{Task: "sign", Plain: plain, Key: string(key)})
	return text, err
}

// Verify checks one.
func (o *OpenPGPJS) Verify(plain, signature, signer []byte) error {
	_, _, err := o.do(openPGPJSTask{Task: "verify", Plain: plain, Signature: string(signature), Signer: string(signer)})
	return err
}
