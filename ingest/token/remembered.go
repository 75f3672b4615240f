package token

import (
	"container/list"
	"sync"
)

// maxRemembered bounds the tokens kept. Graph sends the same one for a pair of
// application and tenant until it expires; each takes about 3 KiB here.
const maxRemembered = 4096

// passed is a token that was good, with what can end that. It never changes.
type passed struct {
	text      string // a map finds it 20 times faster than its SHA-256 is computed
	keyID     string
	keys      keyPair // what keyID found when the signature was checked
	expires   numericDate
	notBefore numericDate
	checked   Checked
}

// remembered holds the tokens that passed, at most limit of them; beyond it the
// one longest unused is forgotten. Only good tokens get in, so that no stranger
// can push another's out. It is safe for concurrent use.
type remembered struct {
	limit int

	mu     sync.Mutex
	byUse  *list.List // of *passed, the last used in front
	byText map[string]*list.Element
}

func newRemembered(limit int) *remembered {
	return &remembered{limit: limit, byUse: list.New(), byText: map[string]*list.Element{}}
}

// get returns the token with that text, nil if it is not remembered.
func (r *remembered) get(text string) *passed {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.byText[text]
	if e == nil {
		return nil
	}
	r.byUse.MoveToFront(e)
	p, _ := e.Value.(*passed) // put puts nothing else there
	return p
}

// put remembers p in place of what had its text.
func (r *remembered) put(p *passed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.byText[p.text]; e != nil {
		e.Value = p
		r.byUse.MoveToFront(e)
		return
	}
	r.byText[p.text] = r.byUse.PushFront(p)
	if r.byUse.Len() > r.limit {
		r.remove(r.byUse.Back())
	}
}

// drop forgets the token.
func (r *remembered) drop(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.byText[text]; e != nil {
		r.remove(e)
	}
}

func (r *remembered) remove(e *list.Element) {
	if p, ok := r.byUse.Remove(e).(*passed); ok {
		delete(r.byText, p.text)
	}
}
