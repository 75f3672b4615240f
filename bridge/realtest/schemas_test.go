//go:build real

package realtest_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"meetbridge/bridge/kafka"
	"meetbridge/schemas"
)

// A registry that enforces FULL_TRANSITIVE takes what only adds fields with
// defaults, and refuses the rest with the word of what is wrong; a process that
// meets a refusal ends with it.
func (l *lab) evolution(t *testing.T) {
	t.Parallel()
	reg, err := kafka.NewRegistry(kafka.RegistryConfig{URL: l.durable.url()}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	ctx := within(t, 3*time.Minute)
	const subject = "evolution-value"
	record := func(fields string) string {
		return `{"type":"record","name":"R","namespace":"n","fields":[{"name":"id","type":"string"}` + fields + `]}`
	}
	ids := map[int]bool{}
	for _, tt := range []struct {
		name, fields string
		refused      bool
	}{
		{"the first", ``, false},
		{"a field with a default", `,{"name":"a","type":"string","default":""}`, false},
		{"a field without a default", `,{"name":"b","type":"string"}`, true},
		{"another type", `,{"name":"a","type":"boolean","default":false}`, true},
		{"the optional field is gone", `,{"name":"c","type":["null","string"],"default":null}`, false},
		{"it is back with another type: only the version before the last says no", `,{"name":"a","type":"long","default":0}`, true},
		{"everything with defaults", `,{"name":"a","type":"string","default":""},{"name":"c","type":["null","string"],"default":null}`, false},
	} {
		before, err := reg.Check(ctx, subject, record(tt.fields))
		if err != nil || before.Registered || before.Compatible == tt.refused {
			t.Errorf("%s: checked: %+v, %v", tt.name, before, err)
		}
		id, err := reg.Register(ctx, subject, record(tt.fields))
		switch {
		case tt.refused && !errors.Is(err, kafka.ErrIncompatible):
			t.Errorf("%s: registered as %d: %v", tt.name, id, err)
		case tt.refused:
			t.Logf("%s: %v", tt.name, err)
		case err != nil || ids[id]:
			t.Errorf("%s: %d, %v", tt.name, id, err)
		}
		ids[id] = true
		again, err := reg.Register(ctx, subject, record(tt.fields))
		if !tt.refused && (err != nil || again != id) {
			t.Errorf("%s: registered again as %d, %v", tt.name, again, err)
		}
	}

	t.Run("ingest ends where its schema is refused", func(t *testing.T) {
		s := l.newSite(t, "refused.", l.guarded, l.durable.url())
		s.do("keys", "new", "keys", "--id", "main")
		s.do(s.with("topics", "apply", "--topic-partitions", "3")...)
		if _, err := reg.Register(ctx, kafka.Subject("refused.chats"), record(``)); err != nil {
			t.Fatal(err)
		}
		p := s.ingest("ingest", nil)
		await(t, time.Minute, "it ends", func() bool { return !p.runs() })
		last := p.said.tail(1)
		names(t, "ingest", last, []string{"refused.chats-value", "schema incompatible"})
		if code := p.cmd.ProcessState.ExitCode(); code != 1 {
			t.Errorf("exit code %d", code)
		}
		out, _, err := s.try("schemas", "check", "--registry-url", l.durable.url(), "--topic-prefix", s.prefix)
		if err == nil || !strings.Contains(out, "incompatible") {
			t.Errorf("schemas check: %v\n%s", err, out)
		}
	})

	// An answer 409 to anything else than a schema is no word about one.
	t.Run("409 to what is no schema", func(t *testing.T) {
		f := newFront(t, l.durable.url())
		f.set(false, 0, func(r *http.Request) int {
			if strings.HasSuffix(r.URL.Path, "/versions") && r.Method == http.MethodPost {
				return 0
			}
			return http.StatusConflict
		})
		s := l.newSite(t, "conflict.", l.guarded, f.URL)
		s.do("keys", "new", "keys", "--id", "main")
		s.do(s.with("topics", "apply", "--topic-partitions", "3")...)
		p := s.ingest("ingest", nil)
		await(t, time.Minute, "it says that the schemas are not registered", func() bool { return strings.Contains(p.said.String(), "schemas not registered yet") })
		f.set(false, 0, nil)
		await(t, time.Minute, "it has registered them", func() bool { return strings.Contains(p.said.String(), "schemas registered") })
	})

	// Replicas that start at once with a registry that is empty.
	t.Run("eight at once", func(t *testing.T) {
		ctx := within(t, time.Minute)
		var wg sync.WaitGroup
		got := make([]map[string]int, 8)
		for i := range got {
			wg.Go(func() {
				for {
					all, err := reg.RegisterAll(ctx, "eight.", schemas.All())
					if err == nil {
						got[i] = all
						return
					}
					if !errors.Is(err, kafka.ErrRegistryAway) || ctx.Err() != nil {
						t.Errorf("one of eight: %v", err)
						return
					}
				}
			})
		}
		wg.Wait()
		for _, all := range got[1:] {
			for topic, id := range all {
				if got[0][topic] != id {
					t.Errorf("%s is %d to one and %d to another", topic, got[0][topic], id)
				}
			}
		}
	})
}
