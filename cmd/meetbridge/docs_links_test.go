package main

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	markdownLink    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	markdownHeading = regexp.MustCompile(`(?m)^#{1,6} +(.+)$`)
	markdownFence   = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	markdownCode    = regexp.MustCompile("`[^`\n]*`")
)

// Ensure that every relative link of the documents leads to a file that there is,
// and every anchor to a heading in it.
func TestDocsLinks(t *testing.T) {
	t.Parallel()
	documents := []string{"../../README.md"}
	for _, pattern := range []string{"../../docs/*.md", "../../docs/examples/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, found...)
	}
	links := 0
	for _, path := range documents {
		text := readProse(t, path)
		for _, m := range markdownLink.FindAllStringSubmatch(markdownCode.ReplaceAllString(text, ""), -1) {
			to, err := url.Parse(m[1])
			if err != nil {
				t.Errorf("%s: %s: %v", path, m[1], err)
				continue
			}
			if to.IsAbs() {
				continue
			}
			links++
			target := path
			if to.Path != "" {
				target = filepath.Join(filepath.Dir(path), to.Path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %s leads nowhere", path, m[1])
				continue
			}
			if to.Fragment != "" && !anchors(readProse(t, target))[to.Fragment] {
				t.Errorf("%s: %s: no such heading", path, m[1])
			}
		}
	}
	if links < 50 {
		t.Errorf("only %d links were found", links)
	}
}

// readProse returns a document without its blocks of code.
func readProse(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return markdownFence.ReplaceAllString(string(text), "")
}

// anchors returns what the headings can be reached by, as GitHub makes it: lower
// case, blanks as dashes, nothing else but letters, digits, dashes and
// underscores.
func anchors(text string) map[string]bool {
	all := map[string]bool{}
	for _, m := range markdownHeading.FindAllStringSubmatch(text, -1) {
		all[strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(m[1]))] = true
	}
	return all
}
