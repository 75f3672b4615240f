package graphsim

import "strings"

// person is somebody who takes part: a user of a tenant, or a stranger.
type person struct {
	id, name, mail string
	tenantID       string // home tenant; "" for guests, phones, bots
	kind           personKind
}

type personKind int

const (
	user personKind = iota
	anonymous
	phone
	acs
	bot
)

// names returns what people are called. They hold what JSON, URLs and logs have
// to bear: quotes, apostrophes, letters of many scripts.
func names() (first, last []string) {
	return []string{"Adele", "Amélie", "Ayşe", "Bjørn", "Chidi", "Dimitra", "Elif", "Farid", "Grzegorz", "Hana", "Ifeoma", "Jón", "Kwame", "Lidia", "Mai", "Noor", "Olga", "Priya", "Quentin", "Rosa", "Søren", "Tomás", "Uma", "Wei", "Yuki", "Zoë", "山田", "\"Max\""},
		[]string{"Vance", "O'Brien", "Müller", "García", "Nguyễn", "Kowalczyk", "Haddad", "Okafor", "Lindqvist", "Tanaka", "Smith-Jones", "d'Angelo", "Иванова", "太郎", "Björk", "Mensah", "Rossi", "Khan", "Ní Bhriain", "van der Berg"}
}

// person draws a user of the tenant.
func (w *world) person(tenantID, domain string) *person {
	p := &person{id: w.guid(), tenantID: tenantID, kind: user, name: w.name()}
	p.mail = "user" + p.id[:8] + "@" + domain
	return p
}

// stranger draws somebody from outside: mostly a user of another organisation,
// sometimes a guest without an account, a phone, a bot.
func (w *world) stranger() *person {
	id := w.guid()
	switch n := w.rng.IntN(20); {
	case n < 10:
		p := w.person(w.partnerTenant, "partner.example")
		return p
	case n < 14:
		return &person{id: id, name: w.name() + " (Guest)", kind: anonymous}
	case n < 17:
		return &person{id: "4:+49" + w.digits(10), name: "+49" + w.digits(8), kind: phone}
	case n < 19:
		return &person{id: "8:acs:" + w.partnerTenant + "_" + strings.ReplaceAll(id, "-", "")[:24], name: w.name(), kind: acs}
	default:
		return &person{id: id, name: "Recording bot" + w.marker(), kind: bot}
	}
}

func (w *world) name() string {
	first, last := w.firstNames, w.lastNames
	return first[w.rng.IntN(len(first))] + " " + last[w.rng.IntN(len(last))] + w.marker()
}

// marker returns what is appended to every name and text.
func (w *world) marker() string {
	if w.cfg.Marker == "" {
		return ""
	}
	return " " + w.cfg.Marker
}

// callIdentity returns p as a call event shows a participant.
func callIdentity(p *person) identitySet {
	id := &identity{ID: p.id, DisplayName: new(p.name), TenantID: p.tenantID}
	switch p.kind {
	case anonymous:
		return identitySet{Guest: id}
	case phone:
		return identitySet{Phone: id}
	case acs:
		return identitySet{ACS: id}
	case bot:
		return identitySet{Application: id}
	default:
		return identitySet{User: id}
	}
}
