package main

import (
	"bytes"
	"crypto/sha1" // Graph's name for a certificate is its SHA-1; it proves nothing
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"meetbridge/bridge"
	"meetbridge/bridge/sealed"
	"meetbridge/renewer"
)

// keyPair is a decryption key of the directory: of old ones only the certificate
// may be left.
type keyPair struct {
	bridge.DecryptionKey
	made        time.Time // zero if there is no certificate to say it
	private     string    // its file, "" if it is not here
	certificate string    // its file, "" if it is not here
}

// readKeyPairs returns the decryption keys of the directory, the youngest first.
func readKeyPairs(dir string) ([]keyPair, error) {
	pairs := map[string]*keyPair{}
	at := func(id string) *keyPair {
		if pairs[id] == nil {
			pairs[id] = &keyPair{DecryptionKey: bridge.DecryptionKey{ID: id}}
		}
		return pairs[id]
	}
	ring, _, err := sealed.LoadRing(filepath.Join(dir, "decryption"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if ring != nil {
		for _, k := range ring.Keys() {
			p := at(k.ID)
			p.Thumbprint, p.private = k.Thumbprint, filepath.Join(dir, "decryption", k.ID+".pem")
			if _, made, err := readThumbprint(p.private); err == nil {
				p.made = made
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "certificates", "*.pem"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		thumbprint, made, err := readThumbprint(file)
		if err != nil {
			return nil, err
		}
		p := at(strings.TrimSuffix(filepath.Base(file), ".pem"))
		if p.Thumbprint != "" && p.Thumbprint != thumbprint {
			return nil, fmt.Errorf("%s is not the certificate of %s: put the right one there", file, p.private)
		}
		p.Thumbprint, p.made, p.certificate = thumbprint, made, file
	}
	var all []keyPair
	for _, p := range pairs {
		all = append(all, *p)
	}
	slices.SortFunc(all, func(a, b keyPair) int {
		if c := b.made.Compare(a.made); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return all, nil
}

// readThumbprint returns the thumbprint of the first certificate in a PEM file,
// and from when on it is valid.
func readThumbprint(file string) (string, time.Time, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", time.Time{}, err
	}
	for block, rest := pem.Decode(bytes.TrimPrefix(text, []byte("\ufeff"))); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return "", time.Time{}, fmt.Errorf("%s: %w", file, err)
		}
		sum := sha1.Sum(cert.Raw)
		return strings.ToUpper(hex.EncodeToString(sum[:])), cert.NotBefore.UTC(), nil
	}
	return "", time.Time{}, fmt.Errorf("%s holds no certificate", file)
}

// is reports whether a certificate of that id and thumbprint is the key's.
func (p keyPair) is(id, thumbprint string) bool {
	if p.Thumbprint != "" && thumbprint != "" {
		return strings.EqualFold(p.Thumbprint, thumbprint)
	}
	return p.ID == id
}

// lookAtCertificates says where the rotation of the decryption key stands.
func (c keysRotateCmd) lookAtCertificates(v renewer.View) (rotation, error) {
	pairs, err := readKeyPairs(c.Dir)
	if err != nil {
		return rotation{}, err
	}
	if len(pairs) == 0 {
		return rotation{}, fmt.Errorf("%s: %w: make one with meetbridge keys new %s --only decryption", c.Dir, errNoKeys, c.Dir)
	}
	wanted, faults, err := renewer.LoadDesired(c.Subscriptions)
	if err != nil {
		return rotation{}, usageError{fmt.Errorf("--subscriptions: %w", err)}
	}
	if wanted == nil {
		return rotation{}, usageError{fmt.Errorf("--subscriptions: %s", faultLines(faults))}
	}
	if c.ID != "" {
		i := slices.IndexFunc(pairs, func(p keyPair) bool { return p.ID == c.ID })
		if i < 0 {
			return c.unmade(pairs), nil
		}
		chosen := pairs[i]
		pairs = slices.Insert(slices.Delete(pairs, i, i+1), 0, chosen)
	}
	return c.certificateRotation(pairs, wanted, v), nil
}

// faultLines joins the faults of a file of desired subscriptions.
func faultLines(faults []renewer.Fault) string {
	var lines []string
	for _, f := range faults {
		if !f.Warning {
			lines = append(lines, f.String())
		}
	}
	return strings.Join(lines, "\n")
}

// unmade is the rotation to a key that --id names and that is not there yet.
func (c keysRotateCmd) unmade(pairs []keyPair) rotation {
	r := rotation{Of: "decryption", New: c.ID, Keys: []rotatedKey{}, Ingest: []rotateIngest{}, Removable: []string{}}
	for _, p := range pairs {
		r.Keys = append(r.Keys, p.row())
	}
	r.step(stepMade, false, "the new key "+c.ID+" is made", "")
	r.stage()
	r.Next, r.act = fmt.Sprintf("make it: meetbridge keys rotate %s --id %s --next", c.Dir, c.ID), c.makeKey
	return r
}

func (c keysRotateCmd) makeKey() ([]string, error) {
	id := c.ID
	if id == "" {
		id = newKeyID(time.Now())
	}
	made, err := makeKeys(c.Dir, id, c.Bits, "decryption", time.Now())
	return []string{"made " + made.DecryptionKey + " and " + made.Certificate}, err
}

func (p keyPair) row() rotatedKey {
	row := rotatedKey{ID: p.ID, Files: []string{}}
	if !p.made.IsZero() {
		row.Made = p.made.Format(time.DateOnly)
	}
	for _, file := range []string{p.private, p.certificate} {
		if file != "" {
			row.Files = append(row.Files, file)
		}
	}
	return row
}

// certificateRotation says how far the first of the pairs has taken the place of
// the others: in ingest, in what is desired, in what lives.
func (c keysRotateCmd) certificateRotation(pairs []keyPair, w *renewer.Wanted, v renewer.View) rotation {
	r := rotation{Of: "decryption", New: pairs[0].ID}
	for _, p := range pairs {
		r.Keys = append(r.Keys, p.row())
	}
	r.begin(v, func(p renewer.IngestProcess, key string) bool {
		i := slices.IndexFunc(pairs, func(k keyPair) bool { return k.ID == key })
		return bridge.Opens(p.Keys, key, pairs[i].Thumbprint)
	})
	tenants, elsewhere := namedBy(pairs, w)
	for i := range r.Keys {
		r.Keys[i].Named = fmt.Sprintf("%d of %s", tenants[i], count(len(w.Tenants), "tenant"))
	}
	living := livingBy(pairs, v)
	for i, l := range living {
		r.Keys[i].Living = l.n
	}
	r.Problems = append(r.Problems, unopened(v)...)
	if len(elsewhere) > 0 && tenants[0] == 0 {
		r.Problems = append(r.Problems, fmt.Sprintf("%s names %s, which %s does not hold: if %s shall take its place, put its certificate into %s",
			c.Subscriptions, strings.Join(elsewhere, ", "), c.Dir, r.New, filepath.Join(c.Dir, "certificates")))
	}
	r.certificateSteps(c, pairs, w, v, tenants, living)
	return r
}

// namedBy returns how many tenants name each of the pairs, and the ids of the
// certificates that are none of them.
func namedBy(pairs []keyPair, w *renewer.Wanted) (tenants []int, elsewhere []string) {
	tenants = make([]int, len(pairs))
	for _, t := range w.Tenants {
		if t.Certificate == (renewer.Certificate{}) {
			continue
		}
		i := slices.IndexFunc(pairs, func(p keyPair) bool { return p.is(t.Certificate.ID, t.Certificate.Thumbprint) })
		switch {
		case i >= 0:
			tenants[i]++
		case !slices.Contains(elsewhere, t.Certificate.ID):
			elsewhere = append(elsewhere, t.Certificate.ID)
		}
	}
	return tenants, elsewhere
}

// alive is what lives by one key.
type alive struct {
	n       int
	blocked int       // of n: what Graph refuses to change
	last    time.Time // the latest expiry of n
}

func (a *alive) add(s *renewer.State) {
	a.n++
	if s.Status == renewer.Blocked {
		a.blocked++
	}
	if s.ExpiresAt.After(a.last) {
		a.last = s.ExpiresAt
	}
}

// mayLive reports whether a subscription lives by the state, or may: a call that
// creates one was under way.
func mayLive(s *renewer.State) bool {
	return s.SubscriptionID != "" || s.Intent == renewer.Create || s.Intent == renewer.Replace
}

// livingBy returns what lives by each of the pairs.
func livingBy(pairs []keyPair, v renewer.View) []alive {
	living := make([]alive, len(pairs))
	for _, s := range v.States {
		if !s.Rich || !mayLive(&s) {
			continue
		}
		for i, p := range pairs {
			if p.is(s.CertificateID, s.Thumbprint) {
				living[i].add(&s)
				break
			}
		}
	}
	return living
}

// unopened says which living subscriptions name a key that an ingest process
// does not have: what is sealed for it goes to quarantine.
func unopened(v renewer.View) (problems []string) {
	n, ids, hosts := 0, map[string]bool{}, map[string]bool{}
	for _, s := range v.States {
		if !s.Rich || s.SubscriptionID == "" || s.CertificateID == "" {
			continue
		}
		lost := false
		for _, p := range v.Ingest {
			if !bridge.Opens(p.Keys, s.CertificateID, s.Thumbprint) && (s.Thumbprint != "" || !hasID(p.Keys, s.CertificateID)) {
				hosts[p.Host], lost = true, true
			}
		}
		if lost {
			n++
			ids[s.CertificateID] = true
		}
	}
	if n > 0 {
		problems = append(problems, fmt.Sprintf("%s sealed for the key %s, which ingest at %s does not have: put the key back there, then replay what went to quarantine",
			are(n, "living subscription"), strings.Join(sorted(ids), ", "), strings.Join(sorted(hosts), ", ")))
	}
	return problems
}

func hasID(keys []bridge.DecryptionKey, id string) bool {
	return slices.ContainsFunc(keys, func(k bridge.DecryptionKey) bool { return k.ID == id })
}
