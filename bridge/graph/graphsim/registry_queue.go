package graphsim

import "container/heap"

// dueQueue is a heap of living subscriptions by what comes next to them.
type dueQueue []*living

// Len implements heap.Interface.
func (q dueQueue) Len() int { return len(q) }

// Less implements heap.Interface; the order of creation decides between equals,
// so that runs repeat.
func (q dueQueue) Less(i, j int) bool {
	if q[i].due != q[j].due {
		return q[i].due < q[j].due
	}
	return q[i].seq < q[j].seq
}

// Swap implements heap.Interface.
func (q dueQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = int32(i), int32(j)
}

// Push implements heap.Interface.
func (q *dueQueue) Push(x any) {
	l := x.(*living)
	l.place = int32(len(*q))
	*q = append(*q, l)
}

// Pop implements heap.Interface.
func (q *dueQueue) Pop() any {
	old := *q
	l := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	l.place = -1
	return l
}

// put places l, or moves it to where its due time belongs.
func (q *dueQueue) put(l *living) {
	if l.place < 0 {
		heap.Push(q, l)
	} else {
		heap.Fix(q, int(l.place))
	}
}

// remove takes l out, if it is in.
func (q *dueQueue) remove(l *living) {
	if l.place >= 0 {
		heap.Remove(q, int(l.place))
	}
}
