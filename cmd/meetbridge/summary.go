package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/prometheus/client_golang/prometheus"

	"meetbridge/bridge"
	"meetbridge/bridge/graph/graphsim"
)

// summary is what the simulated Graph was promised against what a consumer
// found in Kafka.
type summary struct {
	Agree       bool           `json:"agree"`       // there are no differences; the exit code says the same
	Sent        int            `json:"sent"`        // items
	Acked       int            `json:"acked"`       // of them
	Stored      int            `json:"stored"`      // records of them, those of the quarantine too; not what the renewers write
	Quarantined int            `json:"quarantined"` // of them
	Topics      []topicSummary `json:"topics"`
	Total       topicSummary   `json:"total"`
	Reasons     map[string]int `json:"reasons"`     // quarantined, by reason
	Limited     int            `json:"limited"`     // forgeries beyond the quarantine's rate: counted, not kept
	Redelivered int            `json:"redelivered"` // deliveries that ingest recognised and did not produce again
	// Subscriptions are what the renewer did with Graph.
	Subscriptions subscriptionsSummary `json:"subscriptions"`

	Different   int      `json:"different"`   // how many differences there are; 0: all is well
	Differences []string `json:"differences"` // the first of them
}

// subscriptionsSummary counts what Graph was asked for.
type subscriptionsSummary struct {
	Alive   int `json:"alive"` // at the end
	Created int `json:"created"`
	Renewed int `json:"renewed"`
	Changed int `json:"changed"` // of them, with another certificate or URL
	Unheard int `json:"unheard"` // events for which no subscription was alive
}

// topicSummary is one row. Sent and Acked count items, Stored records.
type topicSummary struct {
	Topic      string `json:"topic"` // without prefix
	Sent       int    `json:"sent"`
	Acked      int    `json:"acked"`
	Stored     int    `json:"stored"`
	Duplicates int    `json:"duplicates"` // records beyond one an item: redeliveries that nothing identifies
}

// counted is what ingest says that it did.
type counted struct{ limited, redelivered int }

// readCounts reads ingest's metrics.
func readCounts(g prometheus.Gatherer) (counted, error) {
	families, err := g.Gather()
	if err != nil {
		return counted{}, fmt.Errorf("read metrics: %w", err)
	}
	var c counted
	for _, f := range families {
		if f.GetName() != "meetbridge_ingest_items_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				switch l.GetValue() {
				case string(bridge.QuarantineLimited):
					c.limited += int(m.GetCounter().GetValue())
				case string(bridge.Duplicate):
					c.redelivered += int(m.GetCounter().GetValue())
				}
			}
		}
	}
	return c, nil
}

// identity is what tells one item from another on both sides. Neither side
// learns it from the other: the ledger has it from the world, the record from
// Kafka.
type identity struct {
	topic, subscription, change, resource string
	payload                               string // JSON text; of a basic item the changed resource's id; of quarantine the reason
}

func (i identity) String() string {
	s := i.topic + " of subscription " + i.subscription
	if i.resource != "" {
		s += ", " + i.change + " " + i.resource
	} else if i.change != "" {
		s += ", " + i.change
	}
	if i.topic == quarantineTopic {
		s += ", reason " + i.payload
	}
	return s
}

const (
	quarantineTopic = "quarantine"
	lifecycleTopic  = "lifecycle"
)

// maxDifferences bounds what a summary lists.
const maxDifferences = 20

// compare returns the summary of what was sent, and what of it a consumer
// found in Kafka.
func compare(sent []graphsim.Entry, found []record, c counted) summary {
	s := summary{Reasons: map[string]int{}, Limited: c.limited, Redelivered: c.redelivered}
	rows := map[string]*topicSummary{}
	row := func(topic string) *topicSummary {
		if rows[topic] == nil {
			rows[topic] = &topicSummary{Topic: topic}
		}
		return rows[topic]
	}
	var differences []string
	differ := func(format string, args ...any) { differences = append(differences, fmt.Sprintf(format, args...)) }

	wanted := map[identity]*expectation{}
	for _, e := range sent {
		r := row(e.Topic)
		r.Sent++
		if e.Acked {
			r.Acked++
		} else if e.Genuine {
			differ("not acknowledged: %s", identityOfEntry(e))
		}
		id := identityOfEntry(e)
		if wanted[id] == nil {
			wanted[id] = &expectation{known: map[string]bool{}}
		}
		wanted[id].add(e)
	}
	stored, events := map[identity]int{}, map[string]bool{}
	for _, r := range found {
		topic := strings.TrimPrefix(r.Topic, demoPrefix)
		row(topic).Stored++
		if renewersOwn(topic) {
			continue
		}
		if r.Value == nil {
			differ("no record that can be read: %s partition %d offset %d: %s", topic, r.Partition, r.Offset, r.Problem)
			continue
		}
		id := identityOfRecord(topic, r.Value)
		stored[id]++
		if event, _ := r.Value["event_id"].(string); event != "" && events[event] {
			differ("twice in Kafka with the event id %s: %s", event, id)
		} else {
			events[event] = true
		}
		if topic == quarantineTopic {
			s.Quarantined++
			s.Reasons[id.payload]++
		}
		if wanted[id] == nil {
			differ("in Kafka but never sent: %s", id)
		}
	}
	limited := c.limited
	for _, id := range slices.SortedFunc(maps.Keys(wanted), byText) {
		least, items := wanted[id].least, wanted[id].items
		switch n := stored[id]; {
		case n > items:
			row(id.topic).Duplicates += n - items
		case n < least && id.topic == quarantineTopic && limited >= least-n:
			limited -= least - n
		case n < least:
			differ("acknowledged but not in Kafka (%d of %d): %s", least-n, least, id)
		}
	}
	s.Different, s.Differences = len(differences), differences[:min(len(differences), maxDifferences)]
	s.Agree = s.Different == 0
	s.fill(rows)
	return s
}

func byText(a, b identity) int { return cmp.Compare(a.String(), b.String()) }

// fill lists the rows in the order of the documentation, and their sum.
func (s *summary) fill(rows map[string]*topicSummary) {
	s.Total.Topic = "total"
	for _, k := range bridge.Kinds() {
		r := rows[k.Topic]
		if r == nil {
			continue
		}
		s.Topics = append(s.Topics, *r)
		if renewersOwn(r.Topic) {
			continue
		}
		s.Total.Sent += r.Sent
		s.Total.Acked += r.Acked
		s.Total.Stored += r.Stored
		s.Total.Duplicates += r.Duplicates
	}
	s.Sent, s.Acked, s.Stored = s.Total.Sent, s.Total.Acked, s.Total.Stored
}

// renewersOwn reports whether a topic is written by the renewers: nothing in it was
// sent, so it is not in the sum.
func renewersOwn(topic string) bool {
	return topic == bridge.SubscriptionState.Topic() || topic == bridge.Gap.Topic()
}

// expectation is how many records the items of one identity make: at least
// least, and one each if every delivery is recognised.
type expectation struct {
	least, items int
	known        map[string]bool // ids that Graph gave them: true once one is acknowledged
}

// add takes an item in. Items to which Graph gave the same id, or no id and the
// same content, may be taken for repetitions of one. Basic updates without an id
// may not, since nothing tells two of them apart (DESIGN §5), nor may forgeries.
func (x *expectation) add(e graphsim.Entry) {
	x.items++
	switch {
	case !e.Acked:
	case e.Fresh || !e.Genuine:
		x.least++
	case !x.known[e.NotificationID]:
		x.known[e.NotificationID] = true
		x.least++
	}
}

// identityOfEntry is the ledger's side.
func identityOfEntry(e graphsim.Entry) identity {
	id := identity{topic: e.Topic, subscription: e.SubscriptionID, change: strings.ToLower(e.ChangeType), resource: e.Resource, payload: string(e.Payload)}
	switch {
	case !e.Genuine && e.Reason == string(bridge.MalformedItem):
		return identity{topic: quarantineTopic, payload: e.Reason} // what it holds is anything
	case !e.Genuine:
		id.topic, id.payload = quarantineTopic, e.Reason
	case e.LifecycleEvent != "":
		id.change, id.resource = e.LifecycleEvent, ""
	case e.Payload == nil:
		id.payload = e.ResourceID
	}
	return id
}

// identityOfRecord is Kafka's side.
func identityOfRecord(topic string, value map[string]any) identity {
	text := func(name string) string { s, _ := value[name].(string); return s }
	switch topic {
	case lifecycleTopic:
		return identity{topic: topic, subscription: text("subscription_id"), change: text("lifecycle_event")}
	case quarantineTopic:
		reason := text("reason")
		if reason == string(bridge.MalformedItem) {
			return identity{topic: topic, payload: reason}
		}
		item, _ := value["item"].([]byte)
		var sent struct {
			SubscriptionID string `json:"subscriptionId"`
			ChangeType     string `json:"changeType"`
			LifecycleEvent string `json:"lifecycleEvent"`
			Resource       string `json:"resource"`
		}
		// What does not decode stays empty, and is a difference then.
		_ = json.Unmarshal(item, &sent, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
		return identity{topic: topic, subscription: sent.SubscriptionID, change: strings.ToLower(sent.ChangeType), resource: sent.Resource, payload: reason}
	default:
		id := identity{topic: topic, subscription: text("subscription_id"), change: text("change_type"), resource: text("resource"), payload: text("payload")}
		if value["payload"] == nil {
			var data struct {
				ID string `json:"id"`
			}
			_ = json.Unmarshal([]byte(text("resource_data")), &data) // as above
			id.payload = data.ID
		}
		return id
	}
}

// subscriptionsOf returns what the simulator's API counted.
func subscriptionsOf(s graphsim.Summary) subscriptionsSummary {
	lives := s.API.Lives
	return subscriptionsSummary{
		Alive: s.API.Living, Created: lives[graphsim.LifeCreated], Renewed: lives[graphsim.LifeRenewed], Changed: lives[graphsim.LifeChanged], Unheard: s.API.Unheard,
	}
}

// print writes the summary as a table, or as a JSON object with the member
// "summary".
func (s summary) print(t *terminal, asJSON bool) error {
	if asJSON {
		return t.printJSON(map[string]summary{"summary": s})
	}
	rows := [][]string{{"TOPIC", "  SENT", " ACKED", "STORED", "DUPLICATES"}}
	sent, own := []topicSummary{}, []string{}
	for _, r := range s.Topics {
		if renewersOwn(r.Topic) {
			own = append(own, r.Topic+" "+strconv.Itoa(r.Stored))
			continue
		}
		sent = append(sent, r)
	}
	sent = append(sent, s.Total)
	for _, r := range sent {
		rows = append(rows, []string{r.Topic, number(r.Sent), number(r.Acked), number(r.Stored), fmt.Sprintf("%10d", r.Duplicates)})
	}
	if err := t.printf("\n"); err != nil {
		return err
	}
	err := t.table(rows, func(row, column int) string {
		switch {
		case row == 0:
			return dim
		case row == len(rows)-1:
			return bold
		case column == 4 && sent[row-1].Duplicates > 0:
			return yellow
		default:
			return ""
		}
	})
	if err != nil {
		return err
	}
	if len(own) > 0 {
		if err := t.printf("Written by the renewers beside it: %s.\n", strings.Join(own, ", ")); err != nil {
			return err
		}
	}
	for _, d := range s.Differences {
		if err := t.printf("%s %s\n", t.paint(red, "!"), printable(d, 300)); err != nil {
			return err
		}
	}
	if more := s.Different - len(s.Differences); more > 0 {
		if err := t.printf("%s and %d more\n", t.paint(red, "!"), more); err != nil {
			return err
		}
	}
	verdict := t.paint(green, "Everything that was sent is in Kafka, and nothing else.")
	if !s.Agree {
		verdict = t.paint(red, "What was sent and what is in Kafka differ.")
	}
	unrecognised := ""
	if s.Total.Duplicates > 0 {
		unrecognised = fmt.Sprintf(" Not told from new events, and so stored again: %d.", s.Total.Duplicates)
	}
	return t.printf("\nRedeliveries recognised: %d.%s\nQuarantined: %s.\nSubscriptions: %d made, %d renewals, %d alive.\n%s\n",
		s.Redelivered, unrecognised, s.reasons(), s.Subscriptions.Created, s.Subscriptions.Renewed, s.Subscriptions.Alive, verdict)
}

func (s summary) reasons() string {
	var words []string
	for _, r := range slices.Sorted(maps.Keys(s.Reasons)) {
		words = append(words, r+" "+strconv.Itoa(s.Reasons[r]))
	}
	if s.Limited > 0 {
		words = append(words, strconv.Itoa(s.Limited)+" more were beyond the rate")
	}
	if len(words) == 0 {
		return "nothing"
	}
	return strings.Join(words, ", ")
}

func number(n int) string { return fmt.Sprintf("%6d", n) }
