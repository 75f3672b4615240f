package renewer

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"meetbridge/bridge"
	"meetbridge/bridge/graph"
	"meetbridge/bridge/kafka"
)

// Result is the word for how an action ended: a metric label and a log field.
type Result string

// The results.
const (
	ResultDone      Result = "done"      // as it should
	ResultAdopted   Result = "adopted"   // 409: ours already, and taken over
	ResultHandshake Result = "handshake" // 400: our URL did not answer Graph
	ResultThrottled Result = "throttled" // 429
	ResultToken     Result = "token"     // 401, or no token to be had
	ResultBlocked   Result = "blocked"   // 403: quota or permission
	ResultRefused   Result = "refused"   // 4xx for good
	ResultGone      Result = "gone"      // 404
	ResultConflict  Result = "conflict"  // 409: somebody else's
	ResultServer    Result = "server"    // 5xx
	ResultNoAnswer  Result = "no_answer" // none, or none in time
	ResultUnsent    Result = "unsent"    // the lease was not fresh: not sent
)

// Results returns every result.
func Results() []Result {
	return []Result{
		ResultDone, ResultAdopted, ResultHandshake, ResultThrottled, ResultToken, ResultBlocked, ResultRefused, ResultGone, ResultConflict,
		ResultServer, ResultNoAnswer, ResultUnsent,
	}
}

// resultOf returns the word for an outcome.
func resultOf(o Outcome) Result {
	var e *graph.Error
	var credential *graph.CredentialError
	switch {
	case o.Err == nil:
		return ResultDone
	case errors.Is(o.Err, errUnsent):
		return ResultUnsent
	case errors.As(o.Err, &e):
	case errors.As(o.Err, &credential):
		return ResultToken
	default:
		return ResultNoAnswer
	}
	switch {
	case e.Status == http.StatusConflict && o.Existing != nil:
		return ResultAdopted
	case e.Status == http.StatusUnauthorized:
		return ResultToken
	case e.Status == http.StatusTooManyRequests:
		return ResultThrottled
	case e.Status >= 500:
		return ResultServer
	}
	switch classify(o.Err) {
	case gone:
		return ResultGone
	case conflict:
		return ResultConflict
	case blocked:
		return ResultBlocked
	case refused:
		return ResultRefused
	}
	if e.Status == http.StatusBadRequest { // which passes by itself
		return ResultHandshake
	}
	return ResultNoAnswer // a success that cannot be read, among others
}

// answerCode is the label for how Graph answered one request: the status where
// it means something of its own, else its class, "none" without one.
func answerCode(err error) string {
	var e *graph.Error
	switch {
	case err == nil:
		return "2xx"
	case !errors.As(err, &e):
		return "none"
	}
	for _, code := range []int{400, 401, 403, 404, 409, 429} {
		if e.Status == code {
			return strconv.Itoa(code)
		}
	}
	return strconv.Itoa(e.Status/100) + "xx"
}

func answerCodes() []string {
	return []string{"2xx", "3xx", "400", "401", "403", "404", "409", "429", "4xx", "5xx", "none"}
}

// graphOps are the requests that are made.
func graphOps() []graph.Op {
	return []graph.Op{graph.OpCreate, graph.OpGet, graph.OpList, graph.OpUpdate, graph.OpDelete, graph.OpBatch}
}

func actionKinds() []ActionKind { return []ActionKind{Create, Renew, Replace, Delete, Read, List} }

func statuses() []Status { return []Status{Creating, Active, Blocked, Dead, Deleting, Aside} }

// metrics are the renewer's series. Every label value but the shard's number
// comes from a closed list and exists from the start; no tenant, resource or
// subscription is one.
type metrics struct {
	subscriptions map[Status]map[bridge.Kind]prometheus.Gauge
	openGaps      prometheus.Gauge
	gaps          map[bool]prometheus.Counter // by whether it closes
	actions       map[ActionKind]map[Result]prometheus.Counter
	requests      map[graph.Op]map[string]prometheus.Counter
	took          map[graph.Op]prometheus.Observer
	inFlight      prometheus.Gauge
	waiting       prometheus.Gauge
	throttled     map[callKind]prometheus.Counter
	removals      prometheus.Gauge
	pauses        map[callKind]prometheus.Counter
	notices       map[string]prometheus.Counter
	terms         map[string]prometheus.Counter
	leads         prometheus.Gauge
	epochs        *prometheus.GaugeVec
	asides        *prometheus.GaugeVec
	commits       map[string]prometheus.Counter
	commitTook    prometheus.Observer
	states        prometheus.Counter
	reloads       map[string]prometheus.Counter
	wanted        prometheus.Gauge
	unannounced   prometheus.Gauge
	tokenless     prometheus.Gauge
}

const namespace, subsystem = "meetbridge", "renewer"

func newMetrics(reg *prometheus.Registry) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, labels)
		reg.MustRegister(v)
		return v
	}
	gauges := func(name, help string, labels ...string) *prometheus.GaugeVec {
		v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, labels)
		reg.MustRegister(v)
		return v
	}
	m := &metrics{
		subscriptions: map[Status]map[bridge.Kind]prometheus.Gauge{}, actions: map[ActionKind]map[Result]prometheus.Counter{},
		requests: map[graph.Op]map[string]prometheus.Counter{}, took: map[graph.Op]prometheus.Observer{},
		throttled: map[callKind]prometheus.Counter{}, pauses: map[callKind]prometheus.Counter{},
		openGaps: gauges("open_gaps", "Desired subscriptions of the shards led here for which a gap is open: they are not known to be alive.").WithLabelValues(),
		inFlight: gauges("calls_in_flight", "Calls to Graph under way.").WithLabelValues(),
		waiting:  gauges("tenants_waiting", "Tenants with actions that are due and wait: for Graph's limits, for Retry-After, or for calls before them.").WithLabelValues(),
		leads:    gauges("leading_shards", "Shards that this process leads; 0 for one that stands by.").WithLabelValues(),
		epochs:   gauges("shard_epoch", "Epoch of the transactional id of a shard led here: it rises with each take-over, and with transactions where Kafka has it so; absent where the shard is not led.", "shard"),
		asides:   gauges("states_aside", "State records of a shard led here that this version cannot read. Their subscriptions are not looked after.", "shard"),
		states:   counter("states_written_total", "State records written.").WithLabelValues(),
		wanted:   gauges("subscriptions_desired", "Subscriptions that the file asks for, in all shards.").WithLabelValues(),
		unannounced: gauges("certificates_unannounced",
			"Certificates that the file names and that not every ingest process has announced the key of: no living subscription is moved to them.").WithLabelValues(),
	}
	m.tokenless = gauges("tenants_without_token", "Tenants for which the sign-in authority gives no token: nothing can be done there.").WithLabelValues()
	m.removals = gauges("removals_held", "Subscriptions of the shards led here that the file asks for no longer and that are kept alive nevertheless, since it drops more of their tenant than it asks for. Ask for them again, or let them go by max_removals.").WithLabelValues()
	m.subscriptionGauges(gauges("subscriptions", "Subscriptions of the shards led here, by status and by the record type that their notifications become.", "status", "record"))
	m.gaps = pair(counter("gaps_total", "Gap records written, by whether they open a gap or close it.", "event"), "opened", "closed")
	actions := counter("actions_total", "Actions carried out, by how they ended.", "action", "result")
	for _, k := range actionKinds() {
		m.actions[k] = map[Result]prometheus.Counter{}
		for _, r := range Results() {
			m.actions[k][r] = actions.WithLabelValues(string(k), string(r))
		}
	}
	m.requestSeries(reg, counter("graph_requests_total", "Calls to Graph by how they were answered; those within a batch count, and the batch too.", "op", "code"))
	held := counter("held_total", "Times that due actions were held back to stay within Graph's limits, by how Graph counts them.", "kind")
	pauses := counter("paused_total", "Times that Graph asked to wait (Retry-After), by how it counts the call.", "kind")
	for k := range callKinds {
		m.throttled[k], m.pauses[k] = held.WithLabelValues(k.String()), pauses.WithLabelValues(k.String())
	}
	m.notices = closed(counter("notices_total", "Lifecycle notices read, by whether they made a difference.", "effect"), "heeded", "stale", "unknown", "unreadable")
	m.terms = closed(counter("terms_total", "Times that leading a shard began, and ended, by why.", "event"), "won", "lost", "given_back", "fenced", "failed")
	m.commits = closed(counter("commits_total", "Transactions, by what became of them.", "outcome"), "committed", "fenced", "failed")
	m.reloads = closed(counter("reloads_total", "Times that a changed file of desired subscriptions was read, by what became of it.", "outcome"), "taken", "refused")
	commitTook := prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "commit_duration_seconds", Buckets: prometheus.ExponentialBuckets(.005, 2, 12),
		Help: "Time that one transaction took, in seconds.",
	})
	reg.MustRegister(commitTook)
	m.commitTook = commitTook
	return m
}

func (m *metrics) subscriptionGauges(v *prometheus.GaugeVec) {
	for _, s := range statuses() {
		m.subscriptions[s] = map[bridge.Kind]prometheus.Gauge{}
		for _, k := range bridge.Kinds() {
			switch k.Kind {
			case bridge.Lifecycle, bridge.Gap, bridge.SubscriptionState, bridge.Quarantine: // of no resource
			default:
				m.subscriptions[s][k.Kind] = v.WithLabelValues(string(s), k.Topic)
			}
		}
	}
}

func (m *metrics) requestSeries(reg *prometheus.Registry, requests *prometheus.CounterVec) {
	took := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "graph_request_duration_seconds", Buckets: prometheus.ExponentialBuckets(.02, 2, 12),
		Help: "Time from asking Graph to its answer, in seconds; for a creation or renewal Graph calls our URLs meanwhile.",
	}, []string{"op"})
	reg.MustRegister(took)
	for _, op := range graphOps() {
		m.requests[op] = map[string]prometheus.Counter{}
		for _, code := range answerCodes() {
			m.requests[op][code] = requests.WithLabelValues(string(op), code)
		}
		m.took[op] = took.WithLabelValues(string(op))
	}
}

func closed(v *prometheus.CounterVec, words ...string) map[string]prometheus.Counter {
	m := map[string]prometheus.Counter{}
	for _, w := range words {
		m[w] = v.WithLabelValues(w)
	}
	return m
}

func pair(v *prometheus.CounterVec, no, yes string) map[bool]prometheus.Counter {
	return map[bool]prometheus.Counter{false: v.WithLabelValues(no), true: v.WithLabelValues(yes)}
}

// asked counts one call to Graph.
func (m *metrics) asked(op graph.Op, err error, took time.Duration) {
	if errors.Is(err, errUnsent) {
		return
	}
	if c := m.requests[op][answerCode(err)]; c != nil {
		c.Inc()
	}
	if o := m.took[op]; o != nil && took > 0 {
		o.Observe(took.Seconds())
	}
}

// ended counts one action.
func (m *metrics) ended(k ActionKind, r Result) {
	if c := m.actions[k][r]; c != nil {
		c.Inc()
	}
}

// committed counts one transaction.
func (m *metrics) committed(states int, gaps []Gap, took time.Duration, err error) {
	m.commitTook.Observe(took.Seconds())
	switch {
	case errors.Is(err, kafka.ErrFenced):
		m.commits["fenced"].Inc()
	case err != nil:
		m.commits["failed"].Inc()
	default:
		m.commits["committed"].Inc()
		m.states.Add(float64(states))
		for _, g := range gaps {
			m.gaps[!g.To.IsZero()].Inc()
		}
	}
}

// held makes what is held back count, in the place of what was.
func (m *metrics) held(was, is map[string]Held) {
	for _, h := range was {
		m.removals.Sub(float64(h.Removals))
	}
	for _, h := range is {
		m.removals.Add(float64(h.Removals))
	}
}

// change makes a state count (n 1) or no longer (-1).
func (m *metrics) change(s *State, kind bridge.Kind, n float64) {
	if g := m.subscriptions[s.Status][kind]; g != nil {
		g.Add(n)
	}
	if s.Gap.ID != "" {
		m.openGaps.Add(n)
	}
}
