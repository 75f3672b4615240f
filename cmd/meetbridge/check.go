package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge"
	"meetbridge/bridge/kafka"
	"meetbridge/bridge/sealed"
	"meetbridge/ingest"
	"meetbridge/ingest/token"
)

type checkCmd struct {
	JSON bool `name:"json" help:"Print one JSON object a check."`
	ingest.Config
}

// Help is printed below what the command is for.
func (checkCmd) Help() string {
	return `
Takes the settings of meetbridge ingest (in a --config file also those below ingest:),
changes nothing, and says of everything that ingest needs whether it is ok or what to do.
With --create-topics, topics and schemas that ingest will make are ok. Exit code 1 if
anything is not.

Examples:
  meetbridge check --config meetbridge.yaml
  meetbridge check --json | jq 'select(.ok | not)'`
}

// finding is one line of the doctor, and its JSON form.
type finding struct {
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"` // what was found, or what to do
}

// maxDetail is how much of a finding a line shows; --json has it all.
const maxDetail = 400

// checkWithin bounds each check.
const checkWithin = 5 * time.Second

var errKafkaAway = errors.New("not looked at, since Kafka cannot be reached")

// Run carries out every check and prints its finding.
func (c checkCmd) Run(ctx context.Context, t *terminal) error {
	client, kafkaErr := connect(ctx, c.Kafka, t.log)
	if kafkaErr == nil {
		defer client.Close()
	}
	checks := []struct {
		name string
		do   func(context.Context) (string, error)
	}{
		{"settings", func(context.Context) (string, error) { return "those of ingest", c.Check() }},
		{"kafka", func(ctx context.Context) (string, error) { return c.checkKafka(ctx, client, kafkaErr) }},
		{"topics", func(ctx context.Context) (string, error) { return c.checkTopics(ctx, client) }},
		{"schemas", func(ctx context.Context) (string, error) { return c.checkSchemas(ctx, t) }},
		{"decryption keys", func(context.Context) (string, error) { return checkKeys(c.DecryptionKeys) }},
		{"client state", func(context.Context) (string, error) { return checkStates(c.ClientStateKeys, c.ClientStates) }},
		{"token key set", func(ctx context.Context) (string, error) { return c.checkKeySet(ctx, t) }},
	}
	bad := 0
	for _, check := range checks {
		within, cancel := context.WithTimeout(ctx, checkWithin)
		detail, err := check.do(within)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		f := finding{Check: check.name, OK: err == nil, Detail: detail}
		if err != nil {
			bad++
			f.Detail = oneLine(err.Error())
		}
		if err := f.print(t, c.JSON); err != nil {
			return err
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d checks are not ok", bad, len(checks))
	}
	return nil
}

func (f finding) print(t *terminal, asJSON bool) error {
	if asJSON {
		return t.printJSON(f)
	}
	word, style := "ok", green
	if !f.OK {
		word, style = "not ok", red
	}
	return t.printf("%s  %s  %s\n", t.paint(style, pad(word, 6)), pad(f.Check, 15), printable(f.Detail, maxDetail))
}

func (c checkCmd) checkKafka(ctx context.Context, client *kgo.Client, err error) (string, error) {
	if err != nil {
		return "", err
	}
	brokers, err := kadm.NewClient(client).ListBrokers(ctx)
	if err != nil {
		return "", fmt.Errorf("list brokers: %w", err)
	}
	return fmt.Sprintf("%s, by way of %s", count(len(brokers), "broker"), strings.Join(c.Kafka.Brokers, ",")), nil
}

func (c checkCmd) checkTopics(ctx context.Context, client *kgo.Client) (string, error) {
	if client == nil {
		return "", errKafkaAway
	}
	wants, adm := kafka.WantedTopics(c.TopicPrefix, c.TopicPartitions, c.TopicReplication), kadm.NewClient(client)
	changes, err := kafka.PlanTopics(ctx, adm, wants)
	if err != nil {
		return "", err
	}
	if c.CreateTopics {
		if err := kafka.TopicProblems(changes, len(wants)); err != nil {
			return "", err
		}
		if len(changes) > 0 {
			return fmt.Sprintf("ingest will make or correct %d of %d topics %s*", len(changes), len(wants), c.TopicPrefix), nil
		}
	}
	missing := 0
	for _, change := range changes {
		if change.Create {
			missing++
		}
	}
	if missing == len(wants) {
		return "", fmt.Errorf("%d of %d topics %s* do not exist: make them with meetbridge topics apply, or let ingest do it by --create-topics", missing, len(wants), c.TopicPrefix)
	}
	if err := kafka.VerifyTopics(ctx, adm, wants); err != nil {
		return "", err
	}
	records := fmt.Sprintf("%d topics %s*, %s each", len(wants)-1, c.TopicPrefix, count(int(c.TopicPartitions), "partition"))
	if missing > 0 {
		return fmt.Sprintf("%s; without %s a redelivery to another replica is stored again: make it with meetbridge topics apply", records, bridge.RecentIDs(c.TopicPrefix)), nil
	}
	return records + ", and " + bridge.RecentIDs(c.TopicPrefix), nil
}

func (c checkCmd) checkSchemas(ctx context.Context, t *terminal) (string, error) {
	lines, err := registryFlags{topicsFlags: topicsFlags{TopicPrefix: c.TopicPrefix}, Registry: c.Registry}.check(ctx, t)
	if err != nil {
		return "", err
	}
	missing := 0
	for _, l := range lines {
		switch l.State {
		case "incompatible":
			return "", fmt.Errorf("%s is %s", l.Subject, l.explain())
		case "registered":
		default:
			missing++
		}
	}
	if missing > 0 && c.CreateTopics {
		return fmt.Sprintf("ingest will register or correct %d of %d schemas", missing, len(lines)), nil
	}
	if missing > 0 {
		return "", fmt.Errorf("%d of %d schemas are not registered as they should be: ingest does it when it starts, or run meetbridge schemas register", missing, len(lines))
	}
	return fmt.Sprintf("%d schemas at %s", len(lines), c.Registry.URL), nil
}

func checkKeys(dir string) (string, error) {
	if dir == "" {
		return "", errors.New("--decryption-keys is not set, so sealed notifications would go to quarantine: make a key with meetbridge keys new")
	}
	ring, skipped, err := sealed.LoadRing(dir)
	if err != nil {
		return "", err
	}
	if len(skipped) > 0 {
		return "", errors.Join(skipped...)
	}
	if ring.Len() == 0 {
		return "", fmt.Errorf("--decryption-keys %s holds no key: make one with meetbridge keys new", dir)
	}
	return fmt.Sprintf("%s in %s: %s", count(ring.Len(), "key"), dir, strings.Join(ring.IDs(), ", ")), nil
}

func checkStates(keys, literals string) (string, error) {
	if keys == "" && literals == "" {
		return "", errors.New("neither --client-state-keys nor --client-states is set, so nothing could be proven genuine: make keys with meetbridge keys new")
	}
	var files [2][]byte
	for i, path := range []string{keys, literals} {
		if path == "" {
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("%s: %w", [2]string{"--client-state-keys", "--client-states"}[i], err)
		}
		files[i] = b
	}
	states, err := bridge.ParseClientStateKeys(files[0], files[1])
	if err != nil {
		return "", err
	}
	n, l := states.Len()
	where := strings.Join(slices.DeleteFunc([]string{keys, literals}, func(s string) bool { return s == "" }), " and ")
	if n+l == 0 {
		return "", fmt.Errorf("neither a key nor a value in %s, so nothing could be proven genuine: make keys with meetbridge keys new", where)
	}
	return fmt.Sprintf("%s and %s in %s", count(n, "key"), count(l, "literal value"), where), nil
}

// count returns "1 key" or "2 keys".
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return strconv.Itoa(n) + " " + noun
}

func (c checkCmd) checkKeySet(ctx context.Context, t *terminal) (string, error) {
	if len(c.AppIDs) == 0 {
		return "", errors.New("--app-ids is not set, so sealed notifications would go to quarantine: give the application ids that own the subscriptions")
	}
	verifier, err := token.New(token.Config{Authority: c.EntraAuthority, STS: c.EntraSTS, AppIDs: c.AppIDs, HTTP: c.AuthorityHTTP, Log: t.log})
	if err != nil {
		return "", err
	}
	verifier.Start(ctx)
	defer verifier.Close()
	for {
		err := verifier.Ready()
		if err == nil {
			return "published by " + c.EntraAuthority, nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("the signing keys cannot be fetched from %s: check --entra-authority and the way out to it (%w)", c.EntraAuthority, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
