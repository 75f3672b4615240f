package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// When what happens, from the start of the world.
const (
	leaderAfter      = 12 * time.Second
	certificateAfter = 20 * time.Second
)

// play has the subscriptions live through what they do in years: their leader
// leaves, and their decryption key is replaced. It ends with ctx.
func (d *demo) play(ctx context.Context) {
	for _, act := range []struct {
		after time.Duration
		do    func(context.Context) error
	}{
		{leaderAfter, d.changeLeader},
		{certificateAfter - leaderAfter, d.rotate},
	} {
		if !pause(ctx, act.after) {
			return
		}
		if err := act.do(ctx); err != nil && ctx.Err() == nil {
			d.t.log.Error("the demo goes on without a part of it", "error", err)
			return
		}
	}
}

// changeLeader stops the renewer that leads and starts another one to stand by.
func (d *demo) changeLeader(ctx context.Context) error {
	d.say("The renewer that leads is stopped.")
	began := time.Now()
	if err := d.renewers[0].Stop(ctx); err != nil {
		return err
	}
	for {
		if body, _ := askReady(ctx, d.renewers[1].AdminAddr()); strings.Contains(body, "leads shard") {
			break
		}
		if !pause(ctx, 20*time.Millisecond) {
			return nil
		}
	}
	d.say("The one that stood by leads after %.1f s. Another one stands by.", time.Since(began).Seconds())
	return d.beginRenewer(ctx)
}

// rotate makes a new decryption key and waits until all sealed content is sealed
// for it.
func (d *demo) rotate(ctx context.Context) error {
	made, err := makeKeys(d.dir, "demo-2", 2048, "decryption", time.Now())
	if err != nil {
		return err
	}
	d.say("A new decryption key, %s: ingest finds it and announces it, then the renewer puts its certificate into each subscription as it is renewed.", made.ID)
	if err := d.desire(made.Certificate); err != nil {
		return err
	}
	for with, rich := 0, 1; with < rich; {
		if !pause(ctx, 200*time.Millisecond) {
			return nil
		}
		with, rich = 0, 0
		for _, s := range d.sim.Subscriptions() {
			if s.CertificateID == "" {
				continue
			}
			rich++
			if s.CertificateID == made.ID {
				with++
			}
		}
	}
	d.say("No subscription names the old decryption key any more: it could be removed once nothing sealed for it is on its way.")
	return nil
}

// say tells of what happens among the records.
func (d *demo) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	var err error
	if d.cmd.JSON {
		err = d.t.printJSON(map[string]string{"event": text})
	} else {
		err = d.t.printf("%s  %s\n", d.t.paint(dim, time.Now().Format("15:04:05.000")), d.t.paint(bold, text))
	}
	if err != nil {
		d.t.log.Debug("nobody reads along", "error", err)
	}
}

// pause waits, and reports false if ctx ends before.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
