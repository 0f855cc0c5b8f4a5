package bed

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

//go:embed testdata/openpgpjs/driver.mjs
var openPGPJSDriver []byte

//go:embed testdata/openpgpjs/package.json
var openPGPJSPackage []byte

// OpenPGPJS is the JavaScript library openpgp, run by node through a driver script of ours. It knows version 6 keys and
// SEIPDv2. The script .ci/install-openpgpjs installs the pinned version, once a machine; no test uses the network.
type OpenPGPJS struct {
	node     *exec.Cmd
	requests io.WriteCloser
	answers  *json.Decoder
	words    *bytes.Buffer // node's own, to be read after its end
}

// NewOpenPGPJS starts it; it ends with the test. It calls Need.
func NewOpenPGPJS(t testing.TB) *OpenPGPJS {
	t.Helper()
	Need(t, "openpgpjs")
	folder, err := openPGPJSFolder()
	if err != nil {
		t.Fatal(err)
	}
	driver := filepath.Join(Dir(t), "driver.mjs")
	write(t, driver, openPGPJSDriver)
	o := &OpenPGPJS{node: exec.Command(find("node"), driver, folder), words: &bytes.Buffer{}}
	o.node.Stderr = o.words
	requests, errIn := o.node.StdinPipe()
	answers, errOut := o.node.StdoutPipe()
	if err := errors.Join(errIn, errOut, o.node.Start()); err != nil {
		t.Fatalf("start node: %v", err)
	}
	o.requests, o.answers = requests, json.NewDecoder(answers)
	t.Cleanup(func() {
		if err := errors.Join(o.requests.Close(), o.node.Wait()); err != nil {
			t.Logf("node ended with %v\n%s", err, o.words)
		}
	})
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
	tooLong := time.AfterFunc(oneCall, func() { o.node.Process.Kill() })
	defer tooLong.Stop()
	var answer struct {
		Text    string `json:"text"`
		Data    []byte `json:"data"`
		Problem string `json:"problem"`
	}
	err = json.NewEncoder(o.requests).Encode(task)
	if err == nil {
		err = o.answers.Decode(&answer)
	}
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("openpgpjs: node is gone: %w", err)
	case answer.Problem != "":
		return nil, nil, fmt.Errorf("openpgpjs: %s", answer.Problem)
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

// Clearsign signs a text.
func (o *OpenPGPJS) Clearsign(text, key []byte) ([]byte, error) {
	message, _, err := o.do(openPGPJSTask{Task: "clearsign", Plain: text, Key: string(key)})
	return message, err
}

// ReadClearsigned verifies one.
func (o *OpenPGPJS) ReadClearsigned(message, signer []byte) ([]byte, error) {
	text, _, err := o.do(openPGPJSTask{Task: "readClearsigned", Message: string(message), Signer: string(signer)})
	return text, err
}
