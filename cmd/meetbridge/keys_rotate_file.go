package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"meetbridge/renewer"
)

// The keys of subscriptions.yaml that name a certificate.
const (
	certificateKey   = "decryption_certificate"
	certificateIDKey = "decryption_certificate_id"
)

// scalarEdit is one value of a YAML file to be replaced.
type scalarEdit struct {
	node *yaml.Node
	key  string
	to   string
}

// nameCertificate puts the certificate of the first of the pairs in the place of
// the others' in the file of desired subscriptions, and leaves every other
// character as it is. Nothing is written unless the file then asks for the same
// subscriptions with that certificate.
func nameCertificate(file string, before *renewer.Wanted, pairs []keyPair) ([]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	byHand := func(err error) error {
		return fmt.Errorf("change %s: %w: name the certificate %s by hand", file, err, pairs[0].ID)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, byHand(err)
	}
	edits, err := certificateEdits(&doc, file, pairs)
	if err != nil {
		return nil, byHand(err)
	}
	lines := strings.SplitAfter(string(text), "\n")
	var did []string
	for _, e := range edits {
		if err := e.apply(lines); err != nil {
			return nil, byHand(err)
		}
		did = append(did, fmt.Sprintf("%s:%d: %s: %s, instead of %s", file, e.node.Line, e.key, e.to, e.node.Value))
	}
	after := []byte(strings.Join(lines, ""))
	if err := sameBut(before, after, file, pairs); err != nil {
		return nil, byHand(err)
	}
	return did, replaceFile(file, after)
}

// certificateEdits returns what has to be replaced, in the order of the lines.
func certificateEdits(n *yaml.Node, file string, pairs []keyPair) (edits []scalarEdit, err error) {
	for _, child := range n.Content {
		more, err := certificateEdits(child, file, pairs)
		if err != nil {
			return nil, err
		}
		edits = append(edits, more...)
	}
	if n.Kind != yaml.MappingNode {
		return edits, nil
	}
	own := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		own[n.Content[i].Value] = n.Content[i+1]
	}
	named := own[certificateKey]
	if named == nil || named.Kind != yaml.ScalarNode {
		return edits, nil
	}
	thumbprint, _, err := readThumbprint(beside(file, named.Value))
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(pairs, func(p keyPair) bool { return p.is("", thumbprint) })
	if i <= 0 {
		return edits, nil // named already, or a key of another directory
	}
	to, err := newPath(file, named.Value, pairs[0])
	if err != nil {
		return nil, err
	}
	edits = append(edits, scalarEdit{named, certificateKey, to})
	if id := own[certificateIDKey]; id != nil {
		edits = append(edits, scalarEdit{id, certificateIDKey, pairs[0].ID})
	}
	slices.SortFunc(edits, func(a, b scalarEdit) int { return a.node.Line - b.node.Line })
	return edits, nil
}

// beside returns the place of a file that is named in another.
func beside(file, named string) string {
	if filepath.IsAbs(named) {
		return named
	}
	return filepath.Join(filepath.Dir(file), named)
}

// newPath returns how the file names the key's certificate: beside the old one if
// it is there, else where the directory of keys has it.
func newPath(file, old string, p keyPair) (string, error) {
	near := filepath.Join(filepath.Dir(old), p.ID+".pem")
	if thumbprint, _, err := readThumbprint(beside(file, near)); err == nil && p.is("", thumbprint) {
		return near, nil
	}
	if p.certificate == "" {
		return "", fmt.Errorf("there is no file of the certificate %s", p.ID)
	}
	at, err := filepath.Abs(p.certificate)
	if err != nil {
		return "", err
	}
	from, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return "", err
	}
	return filepath.Rel(from, at)
}

var plainScalar = regexp.MustCompile(`^[A-Za-z0-9_./~][A-Za-z0-9_./~+@-]*$`)

// apply replaces the value in the lines of its file.
func (e scalarEdit) apply(lines []string) error {
	line := []rune(lines[e.node.Line-1])
	at := e.node.Column - 1
	if at < 0 || at > len(line) {
		return fmt.Errorf("line %d is not as expected", e.node.Line)
	}
	head, tail := string(line[:at]), string(line[at:])
	for _, quote := range []string{"", "'", `"`} {
		rest, is := strings.CutPrefix(tail, quote+e.node.Value+quote)
		if !is || strings.Trim(rest, " \t\r\n") != "" && !strings.ContainsAny(rest[:1], " \t,}") {
			continue
		}
		if quote == "" && !plainScalar.MatchString(e.to) {
			quote = "'"
		}
		if strings.ContainsAny(e.to, `'"\`) {
			break
		}
		lines[e.node.Line-1] = head + quote + e.to + quote + rest
		return nil
	}
	return fmt.Errorf("line %d is written in a way that this command does not change", e.node.Line)
}

// sameBut returns an error unless text asks for the same as before, with the new
// certificate where one of the others was.
func sameBut(before *renewer.Wanted, text []byte, file string, pairs []keyPair) error {
	after, faults := renewer.ParseDesired(text, file, time.Now())
	if after == nil {
		return errors.New(faultLines(faults))
	}
	if d := after.Compare(before); len(d.Added)+len(d.Removed) > 0 || len(after.Tenants) != len(before.Tenants) {
		return errors.New("it would ask for other subscriptions")
	}
	for i, t := range after.Tenants {
		was := before.Tenants[i]
		old := slices.IndexFunc(pairs, func(p keyPair) bool { return p.is(was.Certificate.ID, was.Certificate.Thumbprint) }) > 0
		if old && was.Certificate != (renewer.Certificate{}) {
			if t.Certificate.ID != pairs[0].ID || !pairs[0].is(t.Certificate.ID, t.Certificate.Thumbprint) {
				return fmt.Errorf("tenant %s would name %s", t.ID, t.Certificate.ID)
			}
			t.Certificate = was.Certificate
		}
		if t.Where = was.Where; t != was {
			return fmt.Errorf("it would change more of tenant %s", t.ID)
		}
	}
	return nil
}

// replaceFile puts another content in the place of a file, so that whoever reads
// it meanwhile sees the old or the new one whole.
func replaceFile(file string, content []byte) error {
	file, err := filepath.EvalSymlinks(file)
	if err != nil {
		return fmt.Errorf("replace file: %w", err)
	}
	info, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("replace file: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".meetbridge-*")
	if err != nil {
		return fmt.Errorf("replace file: %w", err)
	}
	if err = f.Chmod(info.Mode() & fs.ModePerm); err == nil {
		if _, err = f.Write(content); err == nil {
			err = f.Sync()
		}
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("replace file: %w", err), os.Remove(f.Name()))
	}
	return nil
}
