package sealed

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	keyFileSuffix = ".pem"
	// maxKeyFile bounds a key file: a 4,096-bit key and a chain of certificates
	// need some 15 KiB.
	maxKeyFile = 64 << 10
)

// Ring is a set of private keys that does not change. It is safe for concurrent
// use; the zero value holds no key and opens nothing.
type Ring struct {
	byID         map[string]*key
	byThumbprint map[string]*key
}

// KeyInfo is what may be told about a key.
type KeyInfo struct {
	ID         string    // encryptionCertificateId
	Thumbprint string    // of its certificate, upper-case hex; "" without one
	Bits       int       // of the modulus
	NotAfter   time.Time // of its certificate; zero without one. It does not matter for opening.
}

// LoadRing returns the keys in dir, one in each file <encryptionCertificateId>.pem;
// other names and those with a dot in front are not looked at. Files that
// cannot be used are skipped, with an error each that names the file and says
// how to mend it. The last error is for a directory that cannot be read.
func LoadRing(dir string) (*Ring, []error, error) {
	files, err := readKeyFiles(dir, nil)
	if err != nil {
		return nil, nil, err
	}
	return newRing(files), skipped(files), nil
}

// Len returns the number of keys.
func (r *Ring) Len() int { return len(r.byID) }

// IDs returns the ids of the keys, sorted.
func (r *Ring) IDs() []string { return slices.Sorted(maps.Keys(r.byID)) }

// Keys describes the keys, sorted by id.
func (r *Ring) Keys() []KeyInfo {
	infos := make([]KeyInfo, 0, len(r.byID))
	for _, id := range r.IDs() {
		k := r.byID[id]
		infos = append(infos, KeyInfo{ID: k.id, Thumbprint: k.thumbprint, Bits: k.bits, NotAfter: k.notAfter})
	}
	return infos
}

// find returns the keys that may open content for a certificate: the one with
// its id first, then the one with its thumbprint, if that is another. Either
// may be nil. A file rewritten with a new key under the old id is why a known id
// does not settle it.
func (r *Ring) find(id, thumbprint string) [2]*key {
	found := [2]*key{r.byID[id], nil}
	if len(thumbprint) == 40 { // no other is one, and the text may be long
		found[1] = r.byThumbprint[strings.ToUpper(thumbprint)]
	}
	if found[0] == found[1] {
		found[1] = nil
	}
	return found
}

// keyFile is what became of one file of a key directory.
type keyFile struct {
	digest [sha256.Size]byte // of its content; zero if that could not be read
	key    *key              // its newest good version; nil if there never was one
	err    error             // why the content is not what key was made from
}

// readKeyFiles reads dir again, given what it held before: a file that did not
// change is not parsed again, one that has become unusable keeps its last good
// key, since it may be half written, and one that is gone is gone.
func readKeyFiles(dir string, before map[string]keyFile) (map[string]keyFile, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read directory of decryption keys: %w", err)
	}
	files := map[string]keyFile{}
	for _, entry := range entries {
		name := entry.Name()
		if name[0] == '.' || !strings.HasSuffix(name, keyFileSuffix) {
			continue
		}
		file := keyFile{key: before[name].key}
		content, err := readKeyFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			// A link to nothing is a file that is gone. What was listed and is
			// not even a link now went between the two, perhaps with the whole
			// directory: the next listing will tell, and until then it stays.
			if _, gone := os.Lstat(filepath.Join(dir, name)); gone != nil && file.key != nil {
				files[name] = before[name]
			}
			continue
		}
		if err == nil {
			file.digest = sha256.Sum256(content)
			if file.digest == before[name].digest {
				files[name] = before[name]
				continue
			}
			var k *key
			if k, err = parseKeyFile(strings.TrimSuffix(name, keyFileSuffix), content); err == nil {
				file.key = k
			}
		}
		if err != nil {
			file.err = fmt.Errorf("skip decryption key file %q: %w", filepath.Join(dir, name), err)
		}
		files[name] = file
	}
	return files, nil
}

// readKeyFile reads a regular file, links followed, up to maxKeyFile. It never
// blocks, as opening a pipe would.
func readKeyFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, unreadable(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file: remove it")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, unreadable(err)
	}
	if len(content) > maxKeyFile {
		return nil, fmt.Errorf("it is longer than %d bytes: leave one private key and its certificate in it", maxKeyFile)
	}
	return content, nil
}

func unreadable(err error) error {
	return fmt.Errorf("it cannot be read (%w): let the user of this process read it", err)
}

func newRing(files map[string]keyFile) *Ring {
	r := &Ring{byID: map[string]*key{}, byThumbprint: map[string]*key{}}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		k := files[name].key
		if k == nil {
			continue
		}
		r.byID[k.id] = k
		if k.thumbprint != "" && r.byThumbprint[k.thumbprint] == nil {
			r.byThumbprint[k.thumbprint] = k
		}
	}
	return r
}

// skipped returns the errors of files, in the order of their names.
func skipped(files map[string]keyFile) []error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := files[name].err; err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}
