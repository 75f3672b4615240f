package main

import (
	"fmt"
	"os"
	"regexp"

	"meetbridge/bridge"
)

type keysClientStateCmd struct {
	Tenant          string `required:"" placeholder:"GUID" help:"Id of the tenant that the subscription is for: the value proves notifications of that tenant only."`
	ClientStateKeys string `default:"keys/client-state.keys" placeholder:"FILE" help:"File of client-state keys that ingest has too; its first key is used."`
	JSON            bool   `name:"json" help:"Print it as a JSON object."`
}

// Help is printed below what the command is for.
func (keysClientStateCmd) Help() string {
	return `
Prints the clientState to give to a subscription that something else makes. Every call
prints another value; each is good for any number of subscriptions of the tenant. It is a
secret: whoever has it can forge that tenant's basic notifications.

Examples:
  meetbridge keys client-state --tenant 7a4c9d0e-0000-4000-8000-000000000000
  meetbridge keys client-state --tenant $TENANT --client-state-keys /etc/meetbridge/client-state.keys`
}

var guid = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)

// Run prints one fresh value.
func (c keysClientStateCmd) Run(t *terminal) error {
	if !guid.MatchString(c.Tenant) {
		return usagef("--tenant is %q: must be a GUID such as 7a4c9d0e-0000-4000-8000-000000000000", c.Tenant)
	}
	mint, err := minter(c.ClientStateKeys)
	if err != nil {
		return usageError{err}
	}
	state := mint(c.Tenant)
	if c.JSON {
		return t.printJSON(map[string]string{"tenant_id": c.Tenant, "client_state": state})
	}
	return t.printf("%s\n", state)
}

// needStates refuses to do without the file of client-state keys what only ingest
// can check later: a file of one's own would have every notification set aside.
func needStates(file string) error {
	if file == "" {
		return usagef("--client-state-keys is needed: give the same file as ingest's, or all that Graph sends would be set aside as forged")
	}
	return nil
}

// minter returns what mints a fresh clientState with the first key in file.
func minter(file string) (func(tenantID string) string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--client-state-keys: %w: give the same file as ingest's, or make one with meetbridge keys new where there is none yet", err)
	}
	keys, err := bridge.ParseClientStateKeys(text, nil)
	if err != nil {
		return nil, fmt.Errorf("--client-state-keys: %s: %w", file, err)
	}
	if n, _ := keys.Len(); n == 0 {
		return nil, fmt.Errorf("--client-state-keys: %s holds no key: make one with meetbridge keys new", file)
	}
	return func(tenantID string) string {
		// It fails for no key or no tenant only; then the value is "".
		state, _ := keys.Mint(tenantID, [16]byte(randomBytes(16)))
		return state
	}, nil
}
