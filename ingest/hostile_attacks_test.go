//go:build synctests

package ingest_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"meetbridge/bridge/bridgetest"
)

// attack is one item that an attacker sends, beside an honest one.
type attack struct {
	name   string
	item   string // @@ stands for its subscription: no base64 holds it by chance
	tokens any    // nil: a good one; raw JSON text as string, or []string
	want   string // "" a record, else the reason in quarantine; "-" none of either
}

var caseNumber = regexp.MustCompile(`case-(\d+)`)

// run sends each attack in a POST of its own beside an honest neighbour, and
// checks the answer (202, empty) and what stands in Kafka after all of them: the
// neighbour's record every time, and of the attack what is wanted and nothing
// else (I3, I11).
func (e *edge) run(attacks []attack) {
	e.t.Helper()
	for i, a := range attacks {
		sub := fmt.Sprintf("case-%d", i)
		neighbour := item("honest", 1_000_000+i).String()
		tokens := any([]string{e.token(nil)})
		if a.tokens != nil {
			tokens = a.tokens
		}
		text, raw := tokens.(string)
		if !raw {
			b, err := json.Marshal(tokens)
			if err != nil {
				e.t.Fatal(err)
			}
			text = `,"validationTokens":` + string(b)
		}
		body := `{"value":[` + strings.ReplaceAll(a.item, "@@", sub) + "," + neighbour + `]` + text + `}`
		if got := e.post(body); got.code != http.StatusAccepted || got.body != "" {
			e.t.Errorf("%s: answered %d %.40q, want 202", a.name, got.code, got.body)
		}
	}
	honest, got := map[string]int{}, map[string][]string{}
	for _, s := range e.Records() {
		if s.Text("subscription_id") == "honest" && s.Topic == "chat-messages" {
			honest[s.Text("id")]++
			continue
		}
		where := s.Text("subscription_id") + s.Text("item")
		fate := s.Topic
		if s.Topic == "quarantine" {
			fate = s.Text("reason")
		}
		sub := caseNumber.FindString(where)
		got[sub] = append(got[sub], fate)
		if strings.Contains(fmt.Sprint(s.Value, s.Headers)+s.Text("item"), bridgetest.LiteralState) {
			e.t.Errorf("%s: its clientState stands in Kafka (I4)", sub)
		}
	}
	for i, a := range attacks {
		if n := honest[fmt.Sprint(1_000_000+i)]; n != 1 {
			e.t.Errorf("%s: its honest neighbour is stored %d times", a.name, n)
		}
		want := "[" + a.want + "]"
		switch a.want {
		case "":
			want = "[chat-messages]"
		case "-":
			want = "[]"
		}
		if fates := fmt.Sprint(got[fmt.Sprintf("case-%d", i)]); fates != want {
			e.t.Errorf("%s: became %s, want %s", a.name, fates, want)
		}
		delete(got, fmt.Sprintf("case-%d", i))
	}
	for sub, fates := range got {
		if sub != "" {
			e.t.Errorf("%s: nobody sent it: %v", sub, fates)
		}
	}
}

// post sends body to the rig's ingest as Graph would.
func (e *edge) post(body string) answer {
	e.t.Helper()
	req, err := http.NewRequest(http.MethodPost, e.NotificationURL(), strings.NewReader(body))
	if err != nil {
		e.t.Fatal(err)
	}
	req.Header.Set("Content-Type", js)
	start := time.Now()
	resp, err := e.HTTP.Do(req)
	if err != nil {
		e.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, _ := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(b), time.Since(start)}
}

// wire writes text to a fresh connection and returns the status codes of the
// answers, until the other end closes or nothing comes for a while.
func wire(tb testing.TB, addr, text string) (codes []int) {
	tb.Helper()
	return wireFor(tb, addr, text, 700*time.Millisecond)
}

func wireFor(tb testing.TB, addr, text string, patience time.Duration) (codes []int) {
	tb.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		tb.Error(err)
		return nil
	}
	defer func() { _ = c.Close() }()
	go func() { _, _ = io.WriteString(c, text) }() // the other end may refuse to read all of it
	_ = c.SetReadDeadline(time.Now().Add(patience))
	in := bufio.NewReader(c)
	for {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return codes
		}
		if resp.StatusCode != http.StatusContinue {
			codes = append(codes, resp.StatusCode)
		}
		_, err = io.Copy(io.Discard, resp.Body)
		if _ = resp.Body.Close(); err != nil {
			return codes
		}
	}
}
