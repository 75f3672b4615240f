package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"meetbridge/bridge/graph/graphsim"
)

// apiFlags are those of the simulator's subscriptions API.
type apiFlags struct {
	Dir         string        `placeholder:"DIR" help:"Directory that gets what a renewer needs, which switches the API on: subscriptions.yaml of all that there is, ca.pem for --graph-ca, client.secret. What is there already is kept. Notifications then go to those who subscribe."`
	Listen      string        `default:"127.0.0.1:8091" placeholder:"HOST:PORT" help:"Address of the API and of the token endpoint (https)."`
	URL         string        `name:"url" placeholder:"URL" help:"Base URL of the API as a renewer reaches it. Unset: https:// and --api-listen."`
	MinLifetime time.Duration `default:"45m" placeholder:"DURATION" help:"Shorter lifetimes of subscriptions are raised to it, as Graph does."`
	Lifetime    time.Duration `placeholder:"DURATION" help:"What subscriptions.yaml asks for, to watch renewals: at least --api-min-lifetime. Unset: the longest that Graph allows."`
	Lives       string        `placeholder:"FILE" help:"File that gets a JSON line for each thing that happens to a subscription: made, renewed, paused, expired."`
}

// The files of --api-dir.
const (
	apiSubscriptions = "subscriptions.yaml"
	apiCA            = "ca.pem"
	apiCAKey         = "ca.key"
	apiSecret        = "client.secret"
)

// config returns the API's settings, its listener apart; nil if it is not wanted.
func (f apiFlags) config() (*graphsim.API, error) {
	if f.Dir == "" {
		return nil, nil
	}
	if err := checkURLs(map[string]string{"--api-url": f.URL}); err != nil {
		return nil, err
	}
	if f.Lifetime != 0 && f.Lifetime < f.MinLifetime {
		return nil, fmt.Errorf("--api-lifetime is %s: must be at least --api-min-lifetime, which is %s", f.Lifetime, f.MinLifetime)
	}
	if err := os.MkdirAll(f.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make --api-dir: %w", err)
	}
	ca, err := f.keep(apiCAKey, 0o600, func() ([]byte, error) { return graphsim.NewCA(time.Now()) })
	if err != nil {
		return nil, err
	}
	if _, err := f.keep(apiCA, 0o644, func() ([]byte, error) { return certificateOf(ca), nil }); err != nil {
		return nil, err
	}
	secret, err := f.keep(apiSecret, 0o600, func() ([]byte, error) { return []byte(hex.EncodeToString(randomBytes(16))), nil })
	if err != nil {
		return nil, err
	}
	return &graphsim.API{NoticeLead: f.Lifetime / 10, URL: f.URL, CA: ca, Secret: string(secret), MinLifetime: f.MinLifetime, PlainHTTP: true}, nil
}

// keep returns what the file of the directory holds, which is made if it is not
// there.
func (f apiFlags) keep(name string, mode fs.FileMode, content func() ([]byte, error)) ([]byte, error) {
	path := filepath.Join(f.Dir, name)
	b, err := os.ReadFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	if b, err = content(); err != nil {
		return nil, err
	}
	return b, writeNew(path, b, mode)
}

// desire writes the file of subscriptions to all that the world of sim has.
func (f apiFlags) desire(sim *graphsim.Sim, c graphsimCmd) error {
	_, err := f.keep(apiSubscriptions, 0o644, func() ([]byte, error) {
		certificate := ""
		if files, err := certificateFiles(c.Certificates); err != nil {
			return nil, err
		} else if len(files) > 0 {
			if certificate, err = filepath.Abs(files[0]); err != nil {
				return nil, fmt.Errorf("find --certificates: %w", err)
			}
		}
		lifecycle := c.LifecycleURL
		if lifecycle == "" {
			lifecycle = c.NotificationURL
		}
		return simulated{
			GraphURL: sim.APIURL(), NotificationURL: c.NotificationURL, LifecycleURL: lifecycle,
			ClientID: sim.AppIDs()[0], SecretFile: apiSecret, Certificate: certificate, Lifetime: f.Lifetime, Tenants: sim.Tenants(),
		}.yaml()
	})
	return err
}
