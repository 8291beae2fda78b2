package response

import "sync/atomic"

// notes are facts about a response that the stages of inner Writers leave for the
// stages of outer ones, because the header does not contain them.
type notes struct {
	plainTag      atomic.Bool            // the ETag identifies the body as the handler wrote it
	acceptsRanges atomic.Bool            // the handler answers range requests
	fromStage     atomic.Bool            // an inner stage writes the complete body at once, and then reuses its memory
	unmodified    atomic.Pointer[string] // type of the body that a 304 replaces
}

// outerNotes yields the notes of the Writers around this one that have a stage.
func (w *Writer) outerNotes(yield func(*notes) bool) {
	for outer := range w.outer {
		if outer.holding != nil && !yield(&outer.notes) {
			return
		}
	}
}

// SetPlainTag notes that the response's ETag is a checksum of the body as the handler
// wrote it.
func (w *Writer) SetPlainTag() {
	for n := range w.outerNotes {
		n.plainTag.Store(true)
	}
}

// PlainTag reports whether an inner Writer's stage called SetPlainTag.
func (w *Writer) PlainTag() bool { return w.notes.plainTag.Load() }

// SetAcceptsRanges notes that the handler answers range requests and conditional
// requests, although the header no longer has Accept-Ranges.
func (w *Writer) SetAcceptsRanges() {
	for n := range w.outerNotes {
		n.acceptsRanges.Store(true)
	}
}

// AcceptsRanges reports whether an inner Writer's stage called SetAcceptsRanges.
func (w *Writer) AcceptsRanges() bool { return w.notes.acceptsRanges.Load() }

// SetUnmodified notes the Content-Type of the body that a 304 of this Writer's stage
// replaces. It is "" if the body has no type or has a content coding.
func (w *Writer) SetUnmodified(contentType string) {
	for n := range w.outerNotes {
		n.unmodified.Store(&contentType)
	}
}

// Unmodified returns the argument of the last call of SetUnmodified by an inner Writer's
// stage. If there was none, ok is false.
func (w *Writer) Unmodified() (contentType string, ok bool) {
	if t := w.notes.unmodified.Load(); t != nil {
		return *t, true
	}
	return "", false
}

// setFromStage notes that the body comes complete, and that its memory is reused as
// soon as the outer Writer has taken it.
func (w *Writer) setFromStage() {
	for n := range w.outerNotes {
		n.fromStage.Store(true)
	}
}
