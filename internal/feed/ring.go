package feed

import "sync/atomic"

// A ring contains consecutive entries by their numbers. It grows on demand. One
// goroutine at a time changes it. Any number of goroutines can call at without a
// lock, also at the same time: with a lock, adding an entry would have to wait
// until thousands of followers that have just been woken have had their turn.
//
// A reader must load next before it calls at. An entry is in its slot before
// next says so, and first passes it before it leaves the slot. So if at returns
// nil for a number below next, the number is below first by then.
type ring struct {
	first atomic.Uint64                           // number of the oldest entry
	next  atomic.Uint64                           // number of the entry that will be added next
	slots atomic.Pointer[[]atomic.Pointer[Entry]] // entry n is at index n modulo the length, a power of two; nil if there are no entries
}

// at returns an entry, or nil if the ring does not contain it.
func (r *ring) at(number uint64) *Entry {
	slots := r.slots.Load()
	if slots == nil {
		return nil
	}
	e := slot(*slots, number).Load()
	if e == nil || e.sequence != number {
		return nil
	}
	return e
}

func slot(slots []atomic.Pointer[Entry], number uint64) *atomic.Pointer[Entry] {
	return &slots[number&uint64(len(slots)-1)]
}

// len returns the number of entries.
func (r *ring) len() uint64 { return r.next.Load() - r.first.Load() }

// oldest returns the oldest entry, or nil if there are no entries.
func (r *ring) oldest() *Entry { return r.at(r.first.Load()) }

// newest returns the newest entry, or nil if there are no entries.
func (r *ring) newest() *Entry { return r.at(r.next.Load() - 1) }

// add adds an entry, whose number must be next.
func (r *ring) add(e *Entry) {
	slots := r.slots.Load()
	if slots == nil || r.len() == uint64(len(*slots)) {
		slots = r.enlarge(slots)
	}
	slot(*slots, e.sequence).Store(e)
	r.next.Store(e.sequence + 1)
}

// enlarge doubles the number of slots. Readers that use the old ones still find
// all entries there that are in the ring now.
func (r *ring) enlarge(old *[]atomic.Pointer[Entry]) *[]atomic.Pointer[Entry] {
	length := 4
	if old != nil {
		length = 2 * len(*old)
	}
	slots := make([]atomic.Pointer[Entry], length)
	for n, next := r.first.Load(), r.next.Load(); n < next; n++ {
		slot(slots, n).Store(r.at(n))
	}
	r.slots.Store(&slots)
	return &slots
}

// drop removes the oldest entry and returns it. There must be one. If it was the
// last one, drop gives the memory back.
func (r *ring) drop() *Entry {
	number := r.first.Load()
	e := r.at(number)
	r.first.Store(number + 1)
	if r.len() == 0 {
		r.slots.Store(nil)
	} else {
		slot(*r.slots.Load(), number).Store(nil)
	}
	return e
}

// skip leaves one number out. The ring must be empty.
func (r *ring) skip() {
	number := r.next.Load() + 1
	r.next.Store(number)
	r.first.Store(number)
}
