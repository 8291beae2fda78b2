package response

import "sync/atomic"

// notes are facts about a response that the stages of inner Writers leave for
// the stages of outer ones, because the header does not contain them.
type notes struct {
	plainTag    atomic.Bool            // the ETag is of the body as the handler wrote it
	takesRanges atomic.Bool            // the handler answers requests for ranges
	unmodified  atomic.Pointer[string] // type of the body that a 304 replaces
	fromStage   atomic.Bool            // the body comes whole, from memory that is given back
}

// SetPlainTag notes that the response's ETag is a checksum of the body as the
// handler wrote it.
func (w *Writer) SetPlainTag() {
	for outer := range w.outer {
		outer.notes.plainTag.Store(true)
	}
}

// PlainTag reports whether an inner Writer's stage called SetPlainTag.
func (w *Writer) PlainTag() bool { return w.notes.plainTag.Load() }

// SetTakesRanges notes that the handler answers requests for ranges, and
// conditions, although the header no longer says so.
func (w *Writer) SetTakesRanges() {
	for outer := range w.outer {
		outer.notes.takesRanges.Store(true)
	}
}

// TakesRanges reports whether an inner Writer's stage called SetTakesRanges.
func (w *Writer) TakesRanges() bool { return w.notes.takesRanges.Load() }

// SetUnmodified notes which type the body has that a 304 of this Writer's stage
// replaces; "" if it has none, or a content coding.
func (w *Writer) SetUnmodified(contentType string) {
	for outer := range w.outer {
		outer.notes.unmodified.Store(&contentType)
	}
}

// Unmodified returns the argument of the last call of SetUnmodified by an inner
// Writer's stage, if there was one.
func (w *Writer) Unmodified() (contentType string, ok bool) {
	return load(&w.notes.unmodified), w.notes.unmodified.Load() != nil
}

// setFromStage notes that the body comes whole, and that its memory is given
// back as soon as it has been taken.
func (w *Writer) setFromStage() {
	for outer := range w.outer {
		outer.notes.fromStage.Store(true)
	}
}
