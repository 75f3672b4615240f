package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"meetbridge/renewer"
)

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// Ensure that the files of desired subscriptions that the documents show are such
// files.
func TestDocsExamples(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/subscriptions.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := makeKeys(filepath.Join(dir, "keys"), "mb-20260131-0a1b2c", 2048, "decryption", time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "secrets"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "secrets", "graph"), []byte("s3cret"), 0o600); err != nil {
		t.Fatal(err)
	}
	blocks := yamlBlock.FindAllStringSubmatch(string(text), -1)
	if len(blocks) == 0 {
		t.Fatal("no example")
	}
	for _, block := range blocks {
		wanted, faults := renewer.ParseDesired([]byte(block[1]), filepath.Join(dir, "subscriptions.yaml"), time.Now())
		if wanted == nil || len(faults) > 0 {
			first, _, _ := strings.Cut(block[1], "\n")
			t.Errorf("the example that begins with %q: %v", first, faults)
		}
	}
}
