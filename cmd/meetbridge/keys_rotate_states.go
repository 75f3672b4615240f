package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"meetbridge/bridge"
	"meetbridge/renewer"
)

// stateLines is a file of client-state keys: its lines, and where the keys stand.
type stateLines struct {
	lines []string // with their ends
	keys  []stateLine
}

type stateLine struct {
	id string
	at int // index of the line
}

func readStateLines(file string) (stateLines, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return stateLines{}, usagef("--client-state-keys: %w: give the same file as ingest's, or make one with meetbridge keys new where there is none yet", err)
	}
	return parseStateLines(file, text)
}

func parseStateLines(file string, text []byte) (stateLines, error) {
	if _, err := bridge.ParseClientStateKeys(text, nil); err != nil {
		return stateLines{}, usagef("--client-state-keys: %s: %w", file, err)
	}
	var s stateLines
	for line := range strings.Lines(string(bytes.TrimPrefix(text, []byte("\ufeff")))) {
		if fields := strings.Fields(line); len(fields) > 0 && fields[0][0] != '#' {
			s.keys = append(s.keys, stateLine{fields[0], len(s.lines)})
		}
		s.lines = append(s.lines, line)
	}
	if len(s.keys) == 0 {
		return stateLines{}, usagef("--client-state-keys: %s: %w: make another with meetbridge keys new", file, errNoKeys)
	}
	return s, nil
}

// youngest returns the index of the key that was made last, by the time in the
// ids that this program gives; others count as older. ok is false if no id says.
func (s stateLines) youngest() (youngest int, ok bool) {
	var last time.Time
	for i, k := range s.keys {
		if at := madeAt(k.id); at.After(last) {
			youngest, last, ok = i, at, true
		}
	}
	return youngest, ok
}

// madeAt returns when newClientStateKey made the id, zero for one that it did
// not make.
func madeAt(id string) time.Time {
	digits, ours := strings.CutPrefix(id, "k")
	seconds, err := strconv.ParseInt(digits, 36, 64)
	at := time.Unix(seconds, 0).UTC()
	if !ours || err != nil || at.Year() < 2020 || at.Year() > 2200 {
		return time.Time{}
	}
	return at
}

// lookAtStates says where the rotation of the client-state key stands.
func (c keysRotateCmd) lookAtStates(v renewer.View) (rotation, error) {
	s, err := readStateLines(c.stateFile())
	if err != nil {
		return rotation{}, err
	}
	of, known := s.youngest()
	switch {
	case c.ID != "":
		if of = slices.IndexFunc(s.keys, func(k stateLine) bool { return k.id == c.ID }); of < 0 {
			return c.unmadeState(s)
		}
	case len(s.keys) > 1 && !known:
		return rotation{}, usagef("no key in %s has an id that says when it was made: give the new one's as --id", c.stateFile())
	case len(s.keys) == 1:
		of = 0
	}
	return c.stateRotation(s, of, v), nil
}

func (c keysRotateCmd) unmadeState(s stateLines) (rotation, error) {
	if _, err := bridge.ParseClientStateKeys(newStateLine(c.ID), nil); err != nil {
		return rotation{}, usagef("--id is %q: use 1 to 32 letters, digits, dashes and underlines", c.ID)
	}
	r := rotation{Of: "client-state", New: c.ID, Keys: []rotatedKey{}, Ingest: []rotateIngest{}, Removable: []string{}}
	for _, k := range s.keys {
		r.Keys = append(r.Keys, rotatedKey{ID: k.id, Files: []string{}})
	}
	r.step(stepMade, false, "the new key "+c.ID+" is made", "")
	r.stage()
	r.Next, r.act = fmt.Sprintf("make it: meetbridge keys rotate %s --only client-state --id %s --next", c.Dir, c.ID), c.addState
	return r, nil
}

// stateRotation says how far the key at index of has taken the place of the
// others.
func (c keysRotateCmd) stateRotation(s stateLines, of int, v renewer.View) rotation {
	r := rotation{Of: "client-state", New: s.keys[of].id}
	order := slices.Insert(slices.Delete(slices.Clone(s.keys), of, of+1), 0, s.keys[of])
	for _, k := range order {
		row := rotatedKey{ID: k.id, Files: []string{}, Named: "proves"}
		if k == s.keys[0] {
			row.Named = "makes and proves"
		}
		if at := madeAt(k.id); !at.IsZero() {
			row.Made = at.Format(time.DateOnly)
		}
		r.Keys = append(r.Keys, row)
	}
	r.begin(v, func(p renewer.IngestProcess, key string) bool { return slices.Contains(p.ClientStateKeys, key) })
	living, lost := make([]alive, len(order)), 0
	for _, state := range v.States {
		if !mayLive(&state) {
			continue
		}
		i := slices.IndexFunc(order, func(k stateLine) bool { return k.id == state.ClientStateKeyID })
		if i < 0 {
			lost++
			continue
		}
		living[i].add(&state)
	}
	for i := range living {
		r.Keys[i].Living = living[i].n
	}
	if lost > 0 {
		r.Problems = append(r.Problems, fmt.Sprintf("the clientState of %s made with a key that is not in %s: the renewer makes them anew at once; if the key can be had, put its line back",
			are(lost, "living subscription"), c.stateFile()))
	}
	r.stateSteps(c, of == 0, v, living)
	return r
}

// stateSteps says which steps are done, and what comes next. Ingest has to know
// a key before the renewer makes a clientState with it, and both read the same
// file: so the line comes in below, where it only proves, and goes to the top
// once every ingest process knows it.
func (r *rotation) stateSteps(c keysRotateCmd, top bool, v renewer.View, living []alive) {
	file := c.stateFile()
	r.step(stepMade, true, "the new key is in "+file, "")
	missing := r.announced()
	detail := ""
	if !top {
		detail = "its line stands below another, so it only proves"
	}
	r.step(stepNamed, top, "its line is the first, which makes new clientStates", detail)
	left := r.moved(v, living[1:], top)
	rest := r.rest(living[1:], left == "" && top)
	if r.stage(); len(r.Keys) == 1 && missing == "" {
		r.Stage = stageIdle
	}
	rotate := fmt.Sprintf("meetbridge keys rotate %s --only client-state --next", c.Dir)
	switch r.Stage {
	case stepAnnounced:
		r.Next, r.waits = fmt.Sprintf("put %s as it is where every ingest process reads it (--client-state-keys), which takes it up within seconds", file), true
	case stepNamed:
		r.Next, r.act = "move its line to the top: by hand, or by "+rotate+". Then put the file where the renewers read it too", c.raiseState(r.New)
	case stepMoved:
		r.Next, r.waits = "let the renewer go on: it makes each anew when its renewal is due; "+hurry, true
	case stepRemoved:
		r.Next = fmt.Sprintf("take the line of %s out of %s, wherever it is, once %s have passed: Graph may send again for so long what it could not deliver",
			strings.Join(rest, ", "), file, span(resentFor))
	default:
		r.Next, r.act = "nothing to do. To begin a rotation: "+rotate, c.addState
	}
}

// addState adds a new key below the others.
func (c keysRotateCmd) addState() ([]string, error) {
	file := c.stateFile()
	s, err := readStateLines(file)
	if err != nil {
		return nil, err
	}
	id := c.ID
	if id == "" {
		id = newStateID(time.Now())
	}
	last := s.keys[len(s.keys)-1].at
	if !strings.HasSuffix(s.lines[last], "\n") {
		s.lines[last] += "\n"
	}
	s.lines = slices.Insert(s.lines, last+1, string(newStateLine(id)))
	return []string{fmt.Sprintf("added the key %s below the others of %s", id, file)}, s.write(file)
}

// raiseState returns what moves the key's line above all others.
func (c keysRotateCmd) raiseState(id string) func() ([]string, error) {
	return func() ([]string, error) {
		file := c.stateFile()
		s, err := readStateLines(file)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(s.keys, func(k stateLine) bool { return k.id == id })
		if i <= 0 {
			return nil, fmt.Errorf("%s has changed meanwhile: run the command again", file)
		}
		line := strings.TrimRight(s.lines[s.keys[i].at], "\r\n") + "\n"
		s.lines = slices.Insert(slices.Delete(s.lines, s.keys[i].at, s.keys[i].at+1), s.keys[0].at, line)
		return []string{fmt.Sprintf("moved the key %s to the top of %s", id, file)}, s.write(file)
	}
}

// write puts the lines in the file's place, if they are what a file of keys is.
func (s stateLines) write(file string) error {
	text := []byte(strings.Join(s.lines, ""))
	after, err := parseStateLines(file, text)
	if err == nil && len(after.keys) < len(s.keys) {
		err = errors.New("a key would be lost")
	}
	if err != nil {
		return fmt.Errorf("change %s: %w", file, err)
	}
	return replaceFile(file, text)
}
