package ingest

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"meetbridge/bridge"
)

// Stages of one POST, in order; a metric label.
const (
	stageBody    = "body"    // reading the body
	stageDecode  = "decode"  // splitting and decoding the items
	stageProve   = "prove"   // clientStates and validation tokens
	stageOpen    = "open"    // decrypting all sealed items
	stageRecord  = "record"  // normalizing, encoding, handing over to the producer
	stageProduce = "produce" // waiting for Kafka's acknowledgements
)

// sampleStages is of how many POSTs one has its stages timed.
const sampleStages = 8

// answerCodes are the status codes that a POST can get (DESIGN §3).
func answerCodes() []int {
	return []int{
		http.StatusOK, http.StatusAccepted, http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusRequestTimeout,
		http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusServiceUnavailable,
	}
}

// metrics are ingest's own series. Every label value comes from a closed list
// and exists from the start; no tenant, user, meeting or subscription is one.
type metrics struct {
	requests map[int]prometheus.Counter
	items    map[bridge.Kind]map[bridge.Outcome]prometheus.Counter
	reasons  map[bridge.Reason]prometheus.Counter
	misfits  map[bridge.Kind]prometheus.Counter
	stages   map[string]prometheus.Observer
	answered prometheus.Histogram

	announced, unannounced, heard, unheard prometheus.Counter // see gossip

	posts atomic.Uint32 // counted to sample the stages
}

func newMetrics(reg *prometheus.Registry) *metrics {
	m := &metrics{
		requests: map[int]prometheus.Counter{}, items: map[bridge.Kind]map[bridge.Outcome]prometheus.Counter{},
		reasons: map[bridge.Reason]prometheus.Counter{}, misfits: map[bridge.Kind]prometheus.Counter{}, stages: map[string]prometheus.Observer{},
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "meetbridge", Subsystem: "ingest", Name: name, Help: help}, labels)
		reg.MustRegister(v)
		return v
	}
	requests := counter("requests_total", "Requests on the public port, by the status code of their answer.", "code")
	for _, code := range answerCodes() {
		m.requests[code] = requests.WithLabelValues(strconv.Itoa(code))
	}
	items := counter("items_total", "Items of notification collections, by the record type that they became and by outcome.", "record", "outcome")
	misfits := counter("misfits_total", "Records whose payload did not fit its type: the envelope and the payload are there, the typed fields are null.", "record")
	for _, k := range bridge.Kinds() {
		m.items[k.Kind] = map[bridge.Outcome]prometheus.Counter{}
		for _, o := range bridge.Outcomes() {
			m.items[k.Kind][o] = items.WithLabelValues(k.Topic, string(o))
		}
		m.misfits[k.Kind] = misfits.WithLabelValues(k.Topic)
	}
	reasons := counter("rejected_total", "Items that did not pass, by reason, those beyond the quarantine's rate among them.", "reason")
	for _, r := range bridge.Reasons() {
		m.reasons[r.Reason] = reasons.WithLabelValues(string(r.Reason))
	}
	// Answers matter between 1 ms and the 2.9 s of FACTS §1.4.
	buckets := []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2, 2.5, 2.9, 5}
	stages := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "meetbridge", Subsystem: "ingest", Name: "stage_duration_seconds", Buckets: buckets,
		Help: "Time that one POST spent in each stage, in seconds; of one POST in eight.",
	}, []string{"stage"})
	for _, s := range []string{stageBody, stageDecode, stageProve, stageOpen, stageRecord, stageProduce} {
		m.stages[s] = stages.WithLabelValues(s)
	}
	m.answered = prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: "meetbridge", Subsystem: "ingest", Name: "answer_duration_seconds", Buckets: buckets,
		Help: "Time from the arrival of a POST to its answer, in seconds. Graph counts answers over 2.9 s as slow.",
	})
	reg.MustRegister(stages, m.answered)
	m.announced = counter("recent_ids_announced_total", "Event ids that were announced to the other replicas.").WithLabelValues()
	m.unannounced = counter("recent_ids_unannounced_total", "Event ids that could not be announced: redeliveries of them to another replica are produced again.").WithLabelValues()
	m.heard = counter("recent_ids_heard_total", "Event ids that this replica learned from announcements: those of other replicas, and of itself before it was started.").WithLabelValues()
	m.unheard = counter("recent_ids_unread_total", "Announcements that could not be understood, as those of another version, and were passed over.").WithLabelValues()
	return m
}

// gauge registers a series that is read when it is scraped.
func gauge(reg *prometheus.Registry, name, help string, read func() float64) {
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "meetbridge", Subsystem: "ingest", Name: name, Help: help}, read))
}

func (m *metrics) answer(code int) {
	if c := m.requests[code]; c != nil {
		c.Inc()
	}
}

func (m *metrics) item(k bridge.Kind, o bridge.Outcome) { m.items[k][o].Inc() }

// laps returns a stopwatch that began at start: each call observes the time
// since the last one as that stage's. All but one in sampleStages do nothing: a
// look at the clock for each stage of each POST would cost 2 % of the throughput.
func (m *metrics) laps(start time.Time) func(stage string) {
	if m.posts.Add(1)%sampleStages != 1 {
		return func(string) {}
	}
	last := start
	return func(stage string) {
		now := time.Now()
		m.stages[stage].Observe(now.Sub(last).Seconds())
		last = now
	}
}
