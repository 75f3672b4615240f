package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// manner is what a link does to what passes it.
type manner int

// The manners of a link.
const (
	whole   manner = iota // nothing
	cut                   // resets all connections and refuses new ones
	slow                  // passes each piece late, both ways
	deaf                  // what the client sends never arrives; answers to what came before do
	mute                  // what the client sends arrives, the answers do not
	silence               // nothing arrives either way, and nobody is told
)

// String returns the manner as reports spell it.
func (m manner) String() string {
	return [...]string{"whole", "cut", "slow", "one-way (answers only)", "one-way (questions only)", "silent"}[m]
}

// link is a TCP proxy to one address, which can be made to misbehave.
type link struct {
	name, target string
	listener     net.Listener
	done         sync.WaitGroup

	mu      sync.Mutex // guards the rest
	manner  manner
	delay   time.Duration
	changed chan struct{} // closed at each change of manner
	pairs   map[*pair]struct{}
	felt    felt // since the last change
	pieces  int  // that passed, ever
	closed  bool
}

// felt counts what a manner did to others.
type felt struct {
	cut, refused  int
	held, delayed int // pieces
}

func (f *felt) add(g felt) {
	f.cut, f.refused, f.held, f.delayed = f.cut+g.cut, f.refused+g.refused, f.held+g.held, f.delayed+g.delayed
}

// String returns the counts that are not zero.
func (f felt) String() string {
	text := ""
	for _, c := range []struct {
		n    int
		what string
	}{{f.cut, "connections cut"}, {f.refused, "refused"}, {f.held, "pieces held"}, {f.delayed, "pieces delayed"}} {
		if c.n > 0 {
			if text != "" {
				text += ", "
			}
			text += fmt.Sprintf("%d %s", c.n, c.what)
		}
	}
	return text
}

// pair is a connection and its other half.
type pair struct{ client, server net.Conn }

func (p *pair) close(reset bool) {
	for _, c := range []net.Conn{p.client, p.server} {
		if tcp, ok := c.(*net.TCPConn); ok && reset {
			_ = tcp.SetLinger(0)
		}
		_ = c.Close()
	}
}

// newLink listens on loopback and passes everything to target.
func newLink(ctx context.Context, name, target string) (*link, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", name, err)
	}
	k := &link{name: name, target: target, listener: l, changed: make(chan struct{}), pairs: map[*pair]struct{}{}}
	k.done.Go(k.accept)
	return k, nil
}

// addr returns where the link listens.
func (k *link) addr() string { return k.listener.Addr().String() }

func (k *link) accept() {
	for {
		c, err := k.listener.Accept()
		if err != nil {
			return // closed
		}
		k.done.Go(func() { k.serve(c) })
	}
}

func (k *link) serve(client net.Conn) {
	p := &pair{client: client}
	k.mu.Lock()
	refused := k.closed || k.manner == cut
	if refused {
		k.felt.refused++
	}
	k.mu.Unlock()
	if refused {
		(&pair{client: client, server: client}).close(true)
		return
	}
	server, err := (&net.Dialer{Timeout: 5 * time.Second}).Dial("tcp", k.target)
	if err != nil {
		(&pair{client: client, server: client}).close(true)
		return
	}
	p.server = server
	k.mu.Lock()
	late := k.closed || k.manner == cut
	if !late {
		k.pairs[p] = struct{}{}
	}
	k.mu.Unlock()
	if late {
		p.close(true)
		return
	}
	var both sync.WaitGroup
	both.Go(func() { k.pass(p, server, client, deaf) })
	both.Go(func() { k.pass(p, client, server, mute) })
	both.Wait()
	p.close(false)
	k.mu.Lock()
	delete(k.pairs, p)
	k.mu.Unlock()
}

// pass copies from one half to the other until either ends; against is the
// manner that holds this direction up.
func (k *link) pass(p *pair, to, from net.Conn, against manner) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if !k.admit(p, against) {
				return
			}
			if _, err := to.Write(buf[:n]); err != nil {
				p.close(false)
				return
			}
		}
		if err != nil {
			if tcp, ok := to.(*net.TCPConn); ok {
				_ = tcp.CloseWrite()
			}
			if n == 0 && !errors.Is(err, net.ErrClosed) && against == mute {
				p.close(false) // the server has hung up: nothing more will come
			}
			return
		}
	}
}

// admit waits until a piece may pass, and reports false if its connection ended
// meanwhile.
func (k *link) admit(p *pair, against manner) bool {
	held := false
	for {
		k.mu.Lock()
		m, delay, changed := k.manner, k.delay, k.changed
		_, alive := k.pairs[p]
		k.pieces++
		switch {
		case m == slow:
			k.felt.delayed++
		case (m == against || m == silence) && !held:
			k.felt.held++
			held = true
		}
		k.mu.Unlock()
		switch {
		case !alive || m == cut:
			return false
		case m == slow:
			select {
			case <-time.After(delay):
			case <-changed:
			}
			return true
		case m == against || m == silence:
			<-changed
		default:
			return true
		}
	}
}

// set changes what the link does.
func (k *link) set(m manner, delay time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.manner, k.delay, k.felt = m, delay, felt{}
	close(k.changed)
	k.changed = make(chan struct{})
	if m == cut {
		k.dropLocked()
	}
}

func (k *link) dropLocked() {
	for p := range k.pairs {
		p.close(true)
		delete(k.pairs, p)
		k.felt.cut++
	}
}

// misbehave has links do m for hold, and then until somebody felt it, at most
// for patience more, and returns the proof.
func misbehave(links []*link, m manner, delay, hold, patience time.Duration) (string, error) {
	for _, k := range links {
		k.set(m, delay)
		defer k.set(whole, 0)
	}
	time.Sleep(hold)
	for until := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		var all felt
		for _, k := range links {
			k.mu.Lock()
			all.add(k.felt)
			k.mu.Unlock()
		}
		switch {
		case all != (felt{}):
			return all.String(), nil
		case time.Now().After(until):
			return "", fmt.Errorf("%s was %s for %s, and nobody felt it", links[0].name, m, hold+patience)
		}
	}
}

// inUse returns those of links that something passes just now.
func inUse(links []*link) (used []*link) {
	count := func() []int {
		n := make([]int, len(links))
		for i, k := range links {
			k.mu.Lock()
			n[i] = k.pieces
			k.mu.Unlock()
		}
		return n
	}
	before := count()
	time.Sleep(time.Second)
	for i, n := range count() {
		if n > before[i] {
			used = append(used, links[i])
		}
	}
	return used
}

// close ends all connections and listens no longer.
func (k *link) close() {
	_ = k.listener.Close()
	k.mu.Lock()
	k.closed = true
	k.manner = whole
	close(k.changed)
	k.changed = make(chan struct{})
	k.dropLocked()
	k.mu.Unlock()
	k.done.Wait()
}
