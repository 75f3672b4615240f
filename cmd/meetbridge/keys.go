package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"meetbridge/bridge/sealed"
)

type keysCmd struct {
	New         keysNewCmd         `cmd:"" help:"Make a decryption key with its certificate, and the file of client-state keys."`
	Rotate      keysRotateCmd      `cmd:"" reads:"renewer" help:"Lead through the change of a decryption key, or of a client-state key, to a new one."`
	ClientState keysClientStateCmd `cmd:"" reads:"ingest" help:"Print a clientState for a subscription that is made elsewhere."`
}

type keysNewCmd struct {
	Dir  string `arg:"" optional:"" default:"keys" help:"Directory to make them in; made if it is not there."`
	Only string `enum:"all,decryption,client-state" default:"all" placeholder:"WHAT" help:"Make only the decryption key (to rotate it) or only the client-state keys."`
	ID   string `name:"id" placeholder:"ID" help:"Name of the key: Graph sends it back as encryptionCertificateId. Unset: mb-<date>-<random>."`
	Bits int    `default:"2048" help:"Size of the RSA key: 2048 to 4096. Larger keys cost more time for every notification."`
	JSON bool   `name:"json" help:"Print the names of the files as a JSON object."`
}

// Help is printed below what the command is for.
func (keysNewCmd) Help() string {
	return `
Makes DIR/decryption/ID.pem (private key and certificate, for ingest alone),
DIR/certificates/ID.pem (the certificate alone, which subscriptions carry) and
DIR/client-state.keys (what clientState values are made and proven with). Nothing is ever
overwritten. Keep DIR secret; only certificates/ may be given away.

Examples:
  meetbridge keys new                            all three, in ./keys
  meetbridge keys new --only decryption keys     one more decryption key, to rotate`
}

// keyFiles are the files made, by what they are; those not made are "".
type keyFiles struct {
	ID              string `json:"id,omitempty"`
	DecryptionKey   string `json:"decryption_key,omitempty"`
	Certificate     string `json:"certificate,omitempty"`
	ClientStateKeys string `json:"client_state_keys,omitempty"`
}

var keyID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// Run makes the files and says what to do with them.
func (c keysNewCmd) Run(t *terminal) error {
	if c.ID == "" {
		c.ID = newKeyID(time.Now())
	}
	if !keyID.MatchString(c.ID) {
		return usagef("--id is %q: use letters, digits, dots, dashes and underlines, 128 at most", c.ID)
	}
	if c.Bits < 2048 || c.Bits > 4096 {
		return usagef("--bits is %d: Microsoft Graph takes keys of 2048 to 4096 bits", c.Bits)
	}
	made, err := makeKeys(c.Dir, c.ID, c.Bits, c.Only, time.Now())
	if err != nil {
		return err
	}
	if c.JSON {
		return t.printJSON(made)
	}
	return made.explain(t, c.Dir)
}

// newKeyID returns the name of a key that nobody has named.
func newKeyID(now time.Time) string {
	return "mb-" + now.UTC().Format("20060102") + "-" + hex.EncodeToString(randomBytes(3))
}

// makeKeys writes what only names ("all", "decryption", "client-state") below
// dir. No file is written unless all of them are new.
func makeKeys(dir, id string, bits int, only string, now time.Time) (keyFiles, error) {
	var made keyFiles
	type file struct {
		path    string
		content []byte
		mode    fs.FileMode
	}
	var files []file
	if only != "client-state" {
		both, err := sealed.NewKey(id, bits, now)
		if err != nil {
			return made, fmt.Errorf("make decryption key: %w", err)
		}
		made.ID = id
		made.DecryptionKey = filepath.Join(dir, "decryption", id+".pem")
		made.Certificate = filepath.Join(dir, "certificates", id+".pem")
		files = append(files, file{made.DecryptionKey, both, 0o600}, file{made.Certificate, certificateOf(both), 0o644})
	}
	if only != "decryption" {
		made.ClientStateKeys = filepath.Join(dir, "client-state.keys")
		files = append(files, file{made.ClientStateKeys, newClientStateKeys(now), 0o600})
	}
	there := map[string]bool{}
	for _, f := range files {
		if _, err := os.Lstat(f.path); !errors.Is(err, fs.ErrNotExist) {
			there[f.path] = true
		}
	}
	if err := refuseToOverwrite(made, there); err != nil {
		return keyFiles{}, err
	}
	for _, f := range files {
		mode := fs.FileMode(0o700)
		if f.mode == 0o644 {
			mode = 0o755
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return keyFiles{}, fmt.Errorf("make directory: %w", err)
		}
		if err := os.MkdirAll(filepath.Dir(f.path), mode); err != nil {
			return keyFiles{}, fmt.Errorf("make directory: %w", err)
		}
		if err := writeNew(f.path, f.content, f.mode); err != nil {
			return keyFiles{}, err
		}
	}
	return made, nil
}

// refuseToOverwrite returns an error if any file of made is there, and says
// what would make the rest.
func refuseToOverwrite(made keyFiles, there map[string]bool) error {
	what, fix := made.DecryptionKey, "give another --id or DIR"
	switch states := there[made.ClientStateKeys]; {
	case len(there) == 0:
		return nil
	case states && len(there) == 1 && made.DecryptionKey != "":
		what, fix = made.ClientStateKeys, "--only decryption makes the decryption key alone"
	case states && made.DecryptionKey != "":
		what, fix = made.ClientStateKeys, "give another DIR, or --only decryption with another --id"
	case states:
		what, fix = made.ClientStateKeys, "give another DIR, or add a line to it by hand"
	case !there[what]:
		what = made.Certificate
	}
	return fmt.Errorf("%s is there already and is never overwritten: %s", what, fix)
}

// writeNew writes a file that must not be there yet.
func writeNew(path string, content []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	if _, err = f.Write(content); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// certificateOf returns the certificates in a PEM file, without its keys.
func certificateOf(both []byte) []byte {
	var out []byte
	for block, rest := pem.Decode(both); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			out = append(out, pem.EncodeToMemory(block)...)
		}
	}
	return out
}

// newClientStateKeys returns a file with one fresh key in it.
func newClientStateKeys(now time.Time) []byte {
	return []byte("# Keys that clientState values are made and proven with: \"<key id> <base64>\" a line.\n" +
		"# The first one makes new values; every one proves. A new one comes in below, goes to\n" +
		"# the top once every ingest process knows it, and drops the old one when no\n" +
		"# subscription has a value of that: meetbridge keys rotate --only client-state.\n" +
		string(newStateLine(newStateID(now))))
}

// newStateID returns the id of a client-state key that is made now; madeAt reads
// it.
func newStateID(now time.Time) string { return "k" + strconv.FormatInt(now.Unix(), 36) }

// newStateLine returns the line of a fresh client-state key.
func newStateLine(id string) []byte {
	return []byte(id + " " + base64.StdEncoding.EncodeToString(randomBytes(32)) + "\n")
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: see its documentation
	return b
}

// explain prints what was made, what each file is for, and what comes next.
func (k keyFiles) explain(t *terminal, dir string) error {
	var rows [][]string
	if k.DecryptionKey != "" {
		rows = append(rows,
			[]string{"  " + k.DecryptionKey, "private key and certificate, for ingest alone"},
			[]string{"  " + k.Certificate, "certificate, which subscriptions carry under the id " + k.ID})
	}
	if k.ClientStateKeys != "" {
		rows = append(rows, []string{"  " + k.ClientStateKeys, "makes and proves clientState values"})
	}
	if err := t.printf("Made:\n"); err != nil {
		return err
	}
	if err := t.table(rows, nil); err != nil {
		return err
	}
	next := fmt.Sprintf("An ingest that runs with this directory uses the new key within seconds. How to have\n"+
		"the subscriptions change to it, and when the old one may go:\n  meetbridge keys rotate %s\n", dir)
	if k.ClientStateKeys != "" {
		next = fmt.Sprintf("Start with them (--app-ids: the applications that own the subscriptions):\n"+
			"  meetbridge ingest --app-ids APP-ID --decryption-keys %s --client-state-keys %s\n",
			filepath.Join(dir, "decryption"), filepath.Join(dir, "client-state.keys"))
	}
	return t.printf("\nNext: %s", next)
}
