package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"meetbridge/renewer"
)

type keysRotateCmd struct {
	Dir             string `arg:"" optional:"" default:"keys" help:"Directory of keys that meetbridge keys new has made."`
	Only            string `enum:"decryption,client-state" default:"decryption" placeholder:"WHAT" help:"What to rotate: the decryption key, or the key of the clientStates."`
	Next            bool   `help:"Carry out each step that is this command's: make the new key, name it in the file. Unset: only say where the rotation stands."`
	Wait            bool   `help:"Wait for each step that is ingest's or the renewer's, until a person is needed or all is done."`
	ID              string `name:"id" placeholder:"ID" help:"Name of the key that takes the place of the others: made if it is not there, with --next. Unset: the youngest of the directory, or a new one."`
	Bits            int    `default:"2048" help:"Size of a new RSA key: 2048 to 4096."`
	JSON            bool   `name:"json" help:"Print a JSON object each time that something has changed."`
	Subscriptions   string `default:"subscriptions.yaml" placeholder:"FILE" help:"The renewer's file of desired subscriptions."`
	ClientStateKeys string `placeholder:"FILE" help:"The file of client-state keys. Unset: client-state.keys in the directory."`
	statesFlags
}

// Help is printed below what the command is for.
func (keysRotateCmd) Help() string {
	return `
A new key takes the place of the old one in five steps: it is made; every ingest process has
it; it is named for use; every living subscription has changed to it; the old one is removed.
This command asks the files, Kafka and the renewer's states how far that is, so it may be
interrupted and called again at any time, anywhere. It never removes a key.

Of decryption keys the certificate is named in the file of desired subscriptions; the renewer
gives it to each subscription with its next renewal, without a gap. Of client-state keys the
new line is added below the old one, then moved to the top; a clientState cannot be changed,
so each subscription is made anew when its renewal is due, with a gap of about a second.

Examples:
  meetbridge keys rotate                      where it stands, and what comes next
  meetbridge keys rotate --next               do what comes next, if it is this command's
  meetbridge keys rotate --next --wait        all of it, up to the key that may be removed
  meetbridge keys rotate --only client-state --next --wait`
}

// rotation is where the rotation of a key stands, and its JSON form.
type rotation struct {
	Of     string         `json:"of"`
	New    string         `json:"new"`  // the key that takes the place of the others
	Keys   []rotatedKey   `json:"keys"` // New first
	Ingest []rotateIngest `json:"ingest"`
	Steps  []rotationStep `json:"steps"`
	// Stage is the name of the first step that is not done, "idle" if there is
	// nothing to rotate.
	Stage     string   `json:"stage"`
	Next      string   `json:"next"`
	Removable []string `json:"removable"` // ids of the keys that nothing names any more
	Problems  []string `json:"problems,omitzero"`

	act   func() (did []string, err error) // carries out the next step; nil if that is not ours
	waits bool                             // the next step comes by itself
}

// rotatedKey is one key of a rotation.
type rotatedKey struct {
	ID     string   `json:"id"`
	Made   string   `json:"made,omitzero"` // the day
	Files  []string `json:"files"`
	Ingest int      `json:"ingest"` // processes that have it
	Named  string   `json:"named"`  // by what is configured
	Living int      `json:"living"` // subscriptions that name it
}

// rotateIngest is one ingest process.
type rotateIngest struct {
	ID   string   `json:"id"`
	Host string   `json:"host"`
	Keys []string `json:"keys"` // ids
}

// rotationStep is one of the five.
type rotationStep struct {
	Name string `json:"name"`
	Done bool   `json:"done"`
	What string `json:"what"`
}

// The names of the steps: the first that is not done is the stage.
const (
	stepMade      = "made"
	stepAnnounced = "announced"
	stepNamed     = "named"
	stepMoved     = "moved"
	stepRemoved   = "removed"
	stageIdle     = "idle"
)

// rotateEvery is how often a waiting rotation looks again, if a look takes next
// to no time: else it waits lookShare times as long as that took.
const rotateEvery = time.Second

// Run says where the rotation stands, and takes it further as far as it was told.
func (c keysRotateCmd) Run(ctx context.Context, t *terminal) error {
	if err := c.check(); err != nil {
		return err
	}
	said, stage := "", ""
	for begun := false; ; {
		began := time.Now()
		r, err := c.look(ctx, t)
		pause := max(rotateEvery, lookShare*time.Since(began))
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && said == "":
			return err
		case err != nil: // Kafka is away for a moment, or a file half written
			t.log.WarnContext(ctx, "cannot look how far the rotation is", "error", err, "retry_in", pause)
		default:
			if text := fmt.Sprint(r.Stage, r.Steps, r.Keys, r.Problems); text != said {
				said = text
				if err := c.tell(t, r, r.Stage == stage); err != nil {
					return err
				}
				stage = r.Stage
			}
			switch {
			case c.Next && r.act != nil && (r.Stage != stageIdle || !begun):
				begun, stage = true, ""
				if err := c.carryOut(t, r); err != nil {
					return err
				}
				continue
			case !c.Wait || !r.waits:
				return nil
			}
			begun = true // what is idle after a wait has come to its end
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

func (c keysRotateCmd) check() error {
	if c.ID != "" && !keyID.MatchString(c.ID) {
		return usagef("--id is %q: use letters, digits, dots, dashes and underlines, 128 at most", c.ID)
	}
	if c.Bits < 2048 || c.Bits > 4096 {
		return usagef("--bits is %d: Microsoft Graph takes keys of 2048 to 4096 bits", c.Bits)
	}
	return nil
}

// carryOut does the next step and says what was done.
func (c keysRotateCmd) carryOut(t *terminal, r rotation) error {
	did, err := r.act()
	if err != nil {
		return err
	}
	if c.JSON {
		return t.printJSON(map[string][]string{"did": did})
	}
	return t.printf("\nDone: %s\n\n", strings.Join(did, "\n      "))
}

// look gathers the facts.
func (c keysRotateCmd) look(ctx context.Context, t *terminal) (rotation, error) {
	view, err := c.read(ctx, t)
	if err != nil {
		return rotation{}, err
	}
	if c.Only == "client-state" {
		return c.lookAtStates(view)
	}
	return c.lookAtCertificates(view)
}

// stateFile returns the path of the file of client-state keys.
func (c keysRotateCmd) stateFile() string {
	if c.ClientStateKeys != "" {
		return c.ClientStateKeys
	}
	return filepath.Join(c.Dir, "client-state.keys")
}

// begin puts what is the same for both kinds of keys into the rotation.
func (r *rotation) begin(v renewer.View, has func(p renewer.IngestProcess, key string) bool) {
	r.Removable = []string{}
	r.Ingest = make([]rotateIngest, len(v.Ingest))
	for i, p := range v.Ingest {
		r.Ingest[i] = rotateIngest{ID: p.ID, Host: p.Host, Keys: []string{}}
		for k := range r.Keys {
			if has(p, r.Keys[k].ID) {
				r.Ingest[i].Keys = append(r.Ingest[i].Keys, r.Keys[k].ID)
				r.Keys[k].Ingest++
			}
		}
	}
	slices.SortFunc(r.Ingest, func(a, b rotateIngest) int { return strings.Compare(a.Host+a.ID, b.Host+b.ID) })
}

// lacking returns the hosts of the ingest processes that do not have the new
// key.
func (r *rotation) lacking() []string {
	var hosts []string
	for _, p := range r.Ingest {
		if !slices.Contains(p.Keys, r.New) {
			hosts = append(hosts, p.Host)
		}
	}
	return hosts
}

// announced adds the step that every ingest process has the new key, and returns
// why it is not done.
func (r *rotation) announced() (waitsFor string) {
	lacking := r.lacking()
	switch {
	case len(r.Ingest) == 0:
		waitsFor = "no ingest process runs, as far as Kafka knows: start one"
	case len(lacking) > 0:
		waitsFor = fmt.Sprintf("still missing at %s (%d of %s)", strings.Join(lacking, ", "), len(lacking), processes(len(r.Ingest)))
	}
	r.step(stepAnnounced, waitsFor == "", "every ingest process has it", waitsFor)
	return waitsFor
}

func (r *rotation) step(name string, done bool, what, detail string) {
	if detail != "" {
		what += ": " + detail
	}
	r.Steps = append(r.Steps, rotationStep{Name: name, Done: done, What: what})
}

// stage finds the first step that is not done.
func (r *rotation) stage() {
	r.Stage = stageIdle
	for _, s := range r.Steps {
		if !s.Done {
			r.Stage = s.Name
			return
		}
	}
}

// tell prints the rotation; of one that was told of, only how far the step under
// way is.
func (c keysRotateCmd) tell(t *terminal, r rotation, again bool) error {
	if c.JSON {
		return t.printJSON(r)
	}
	if i := slices.IndexFunc(r.Steps, func(s rotationStep) bool { return !s.Done }); again && i >= 0 && len(r.Problems) == 0 {
		return t.printf("%s  %d  %s\n", t.paint(dim, time.Now().Format(time.TimeOnly)), i+1, printable(r.Steps[i].What, maxDetail))
	}
	return r.print(t)
}

func (r *rotation) print(t *terminal) error {
	rows := [][]string{{"KEY", "MADE", "INGEST", "NAMED", "LIVING", ""}}
	for _, k := range r.Keys {
		role := ""
		if k.ID == r.New && len(r.Keys) > 1 {
			role = "new"
		}
		rows = append(rows, []string{
			k.ID, k.Made, fmt.Sprintf("%d of %s", k.Ingest, processes(len(r.Ingest))), k.Named, count(k.Living, "subscription"), role,
		})
	}
	if err := t.table(rows, headline); err != nil {
		return err
	}
	if err := t.printf("\n"); err != nil {
		return err
	}
	open := false
	for i, s := range r.Steps {
		word, style := "done", green
		if !s.Done {
			word, style = "-", dim
			if !open {
				word, style = "now", yellow
			}
			open = true
		}
		if err := t.printf("%d  %s  %s\n", i+1, t.paint(style, pad(word, 4)), printable(s.What, maxDetail)); err != nil {
			return err
		}
	}
	for _, p := range r.Problems {
		if err := t.printf("\n%s %s\n", t.paint(red, "Mind:"), printable(p, maxDetail)); err != nil {
			return err
		}
	}
	return t.printf("\nNext: %s\n", r.Next)
}

// processes returns "1 process" or "2 processes".
func processes(n int) string {
	if n == 1 {
		return "1 process"
	}
	return fmt.Sprintf("%d processes", n)
}

// errNoKeys is for a directory that nothing can be rotated in.
var errNoKeys = errors.New("there is no key to rotate")
