package chaos

import (
	"reflect"
	"testing"
	"time"
)

// A seed's plan is always the same, another seed's another; every kind of fault
// comes in a full run, none lasts too long.
func TestPlan(t *testing.T) {
	t.Parallel()
	bare := func(seed uint64, faults int) map[lane][]step {
		p := makePlan(seed, faults, time.Minute, kinds())
		for _, steps := range p {
			for i := range steps {
				steps[i].kind = kind{} // functions are not compared
			}
		}
		return p
	}
	if !reflect.DeepEqual(bare(7, 200), bare(7, 200)) {
		t.Error("one seed made two plans")
	}
	if reflect.DeepEqual(bare(7, 200), bare(8, 200)) {
		t.Error("two seeds made one plan")
	}
	for _, faults := range []int{1, 7, 24, 200} {
		n := 0
		for _, steps := range bare(3, faults) {
			n += len(steps)
		}
		if n != faults {
			t.Errorf("a plan of %d faults has %d", faults, n)
		}
	}
	come := map[string]int{}
	for _, steps := range bare(1, 200) {
		for _, s := range steps {
			come[s.Kind]++
			if s.Hold > time.Minute || s.Hold < 0 {
				t.Errorf("%s lasts %s", s.Kind, s.Hold)
			}
		}
	}
	for _, k := range kinds() {
		if come[k.name] == 0 {
			t.Errorf("%s does not come in a full run", k.name)
		}
	}
}
