package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var takenBlock = regexp.MustCompile("(?s)<!-- from: ([^ ]+) -->\n```[a-z]+\n(.*?)```")

// Ensure that what docs/consumers.md shows of the examples stands in them: they
// are what is run.
func TestDocsConsumers(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/consumers.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := takenBlock.FindAllStringSubmatch(string(text), -1)
	if len(blocks) == 0 || len(blocks) != strings.Count(string(text), "<!-- from:") {
		t.Fatalf("%d blocks that can be read", len(blocks))
	}
	for _, block := range blocks {
		source, err := os.ReadFile(filepath.Join("../../docs", block[1]))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(source), block[2]) {
			t.Errorf("%s does not hold\n%s", block[1], block[2])
		}
	}
}
