package chaos

import (
	"slices"
	"sort"
	"time"
)

// matched is a POST and the records that came with it.
type matched struct {
	post    *post
	records []stored
}

// match finds for each trace, which the records of one POST share, the POST that
// passed the front: the one under way when the trace's records were received
// that holds items of all their looks. A trace that fits several POSTs, or none,
// is left out and counted. What a forged item looked like its record does not
// say: quarantine is left out too.
func (o *oracle) match() []matched {
	byTrace := map[string][]stored{}
	var traces []string
	for _, r := range o.records {
		if r.Trace == "" || r.Value == nil || r.Topic == "quarantine" || r.instant("received_at").IsZero() {
			continue
		}
		if byTrace[r.Trace] == nil {
			traces = append(traces, r.Trace)
		}
		byTrace[r.Trace] = append(byTrace[r.Trace], r)
	}
	posts := make([]*post, len(o.posts))
	longest := time.Duration(0)
	for i := range o.posts {
		posts[i] = &o.posts[i]
		longest = max(longest, posts[i].Ended.Sub(posts[i].Sent))
	}
	sort.Slice(posts, func(i, j int) bool { return posts[i].Sent.Before(posts[j].Sent) })
	var all []matched
	claims := map[*post]int{}
	for _, t := range traces {
		records := byTrace[t]
		at := records[0].instant("received_at")
		var fit []*post
		// Records know microseconds, cut off.
		for i := sort.Search(len(posts), func(i int) bool { return posts[i].Sent.After(at.Add(time.Microsecond)) }) - 1; i >= 0; i-- {
			p := posts[i]
			if at.Sub(p.Sent) > longest {
				break
			}
			if !at.After(p.Ended) && holds(p, records) {
				fit = append(fit, p)
			}
		}
		if len(fit) == 1 {
			all = append(all, matched{fit[0], records})
			claims[fit[0]]++
		}
	}
	// A POST has one trace: of two that fit it, one came with another POST, which
	// the front had given up already.
	all = slices.DeleteFunc(all, func(m matched) bool { return claims[m.post] > 1 })
	o.out.Traced, o.out.Untraced = len(all), len(traces)-len(all)
	return all
}

func (s stored) look() uint64 {
	if e := s.text("lifecycle_event"); e != "" {
		return look(s.text("subscription_id"), "", "", e)
	}
	return look(s.text("subscription_id"), s.text("change_type"), s.text("resource"), "")
}

// holds reports whether p has an item for each record.
func holds(p *post, records []stored) bool {
	counts := map[uint64]int{}
	for _, l := range p.Items {
		counts[l]++
	}
	for _, r := range records {
		counts[r.look()]--
		if counts[r.look()] < 0 {
			return false
		}
	}
	return true
}

// line is what keeps its order: the records of one key that one process
// produced.
type line struct {
	topic, key    string
	backend, life int
}

// order looks that records of one key which one process produced stand in the
// order in which it got them: one whose POST was answered before another POST
// was sent stands before it, and those of one POST stand as its items do (I6).
func (o *oracle) order() {
	type placed struct {
		stored
		post *post
	}
	lines := map[line][]placed{}
	for _, m := range o.traced {
		for _, r := range m.records {
			at := line{r.Topic, r.Key, m.post.Backend, m.post.Life}
			lines[at] = append(lines[at], placed{r, m.post})
		}
	}
	for at, all := range lines {
		sort.Slice(all, func(i, j int) bool { return all[i].Offset < all[j].Offset })
		var last time.Time             // the latest sending of those before
		within := map[*post][]uint64{} // looks of each POST's records, as they stand
		for i, r := range all {
			if i > 0 {
				o.out.Ordered++
			}
			if r.post.Ended.Before(last) && r.post.Status != 0 {
				o.violate("order", "%s, key %q, ingest-%d: offset %d stands after a record whose POST was sent %s after its own was answered", at.topic, at.key, at.backend+1, r.Offset, last.Sub(r.post.Ended))
			}
			if r.post.Sent.After(last) {
				last = r.post.Sent
			}
			within[r.post] = append(within[r.post], r.look())
		}
		for p, looks := range within {
			if !subsequence(looks, p.Items) {
				o.violate("order", "%s, key %q, ingest-%d: the items of a POST of %s stand in another order than it had them", at.topic, at.key, at.backend+1, p.Sent.Format(clock))
			}
		}
	}
}

// subsequence reports whether all of part stands in whole, in its order.
func subsequence(part, whole []uint64) bool {
	for _, w := range whole {
		if len(part) > 0 && part[0] == w {
			part = part[1:]
		}
	}
	return len(part) == 0
}

// belowISR looks that nothing was acknowledged as new while two brokers of
// three were away: 202 is right then for what was stored before only.
func (o *oracle) belowISR() {
	produced := map[*post]bool{}
	for _, m := range o.traced {
		produced[m.post] = true
	}
	o.out.Windows = len(o.windows)
	const flying = time.Second // acknowledgements that were on their way
	for i := range o.posts {
		p := &o.posts[i]
		for _, w := range o.windows {
			if p.Sent.Before(w.From.Add(flying)) || p.Ended.After(w.To) {
				continue
			}
			switch {
			case p.Status == 503:
				o.out.WindowRefused++
			case p.Status == 202 && produced[p]:
				o.violate("below min ISR", "ingest-%d acknowledged a POST of %s that it had just produced", p.Backend+1, p.Sent.Format(clock))
			case p.Status == 202:
				o.out.WindowKnown++
			}
		}
	}
}
