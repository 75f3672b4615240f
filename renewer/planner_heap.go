package renewer

import "container/heap"

// itemHeap keeps items in an order of its own, and in each item where it is, so
// that it can be taken out from anywhere.
type itemHeap struct {
	items []*item
	less  func(a, b *item) bool
	index func(*item) *int32 // -1 when not in the heap
}

func newHeap(less func(a, b *item) bool, index func(*item) *int32) itemHeap {
	return itemHeap{less: less, index: index}
}

func (h *itemHeap) put(it *item) { heap.Push(h, it) }

// drop takes it out, if it is in.
func (h *itemHeap) drop(it *item) {
	if i := *h.index(it); i >= 0 {
		heap.Remove(h, int(i))
	}
}

// Len, Less, Swap, Push and Pop are for package heap alone.

func (h *itemHeap) Len() int           { return len(h.items) }
func (h *itemHeap) Less(i, j int) bool { return h.less(h.items[i], h.items[j]) }

func (h *itemHeap) Swap(i, j int) {
	h.items[i], h.items[j] = h.items[j], h.items[i]
	*h.index(h.items[i]), *h.index(h.items[j]) = int32(i), int32(j)
}

func (h *itemHeap) Push(x any) {
	it := x.(*item)
	*h.index(it) = int32(len(h.items))
	h.items = append(h.items, it)
}

func (h *itemHeap) Pop() any {
	last := len(h.items) - 1
	it := h.items[last]
	h.items[last] = nil
	h.items = h.items[:last]
	*h.index(it) = -1
	return it
}
