package feed

import (
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/stanza-go/framework/pkg/http/internal/eventstream"
)

// An Event is an event of a feed, with the fields of the root package's Event.
type Event struct {
	ID   string
	Name string
	Data string
	Key  string
	Gap  bool
}

// ErrInvalidEvent is wrapped by the error for an event that cannot be sent.
var ErrInvalidEvent = eventstream.ErrInvalidEvent

// GapName is the name with which clients get a gap.
const GapName = "gap"

// Check returns an error if e cannot be published. It ignores the ID.
func (e Event) Check() error {
	switch {
	case e.Gap:
		return fmt.Errorf("%w: Gap is set; only the feed announces gaps", ErrInvalidEvent)
	case e.Name == GapName:
		return fmt.Errorf("%w: Name %q is reserved for gaps; use another name", ErrInvalidEvent, e.Name)
	case strings.ContainsAny(e.Name, "\r\n\x00"):
		return fmt.Errorf("%w: Name %q contains a line break or a NUL", ErrInvalidEvent, e.Name)
	case !utf8.ValidString(e.Name):
		return fmt.Errorf("%w: Name %q is not valid UTF-8", ErrInvalidEvent, e.Name)
	case !utf8.ValidString(e.Data):
		return fmt.Errorf("%w: Data of event %q is not valid UTF-8", ErrInvalidEvent, e.Name)
	case !utf8.ValidString(e.Key):
		return fmt.Errorf("%w: Key %q is not valid UTF-8", ErrInvalidEvent, e.Key)
	}
	return nil
}

// cleaned returns an event that another program may have written, in a form
// that can be sent. Rejecting it would stop the feed.
func (e Event) cleaned() Event {
	e.Gap = false
	if e.Check() != nil {
		e.Name = strings.NewReplacer("\r", " ", "\n", " ", "\x00", " ").Replace(strings.ToValidUTF8(e.Name, "\uFFFD"))
		e.Data = strings.ToValidUTF8(e.Data, "\uFFFD")
	}
	if e.Name == GapName {
		e.Name += "_"
	}
	return e
}

// MaxID is the length of the longest id, in bytes.
const MaxID = 64

// ValidID reports whether id has the form of an id: 1 to 64 letters, digits,
// dots, underscores and hyphens of ASCII.
func ValidID(id string) bool {
	if id == "" || len(id) > MaxID {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// An Encoding is a form in which events are sent.
type Encoding int

// The encodings that an Entry remembers.
const (
	SSE     Encoding = iota // a block of an event stream
	Message                 // a WebSocket message
	Packed                  // a compressed WebSocket message
	encodings
)

// An Entry is an event in a [Log], or a snapshot. It does not change, except
// that it remembers its encodings. It is safe for concurrent use by multiple
// goroutines.
type Entry struct {
	Event
	log      *Log   // nil for a snapshot, which no log counts
	sequence uint64 // its number in log
	added    time.Time
	size     int64 // number of bytes that log counts for it, guarded by log.mu

	encoded [encodings]struct {
		once  sync.Once
		bytes []byte
	}
}

// entrySize is about how many bytes an Entry takes, apart from its strings and
// encodings: 240 for itself, the rest in the maps of its Log.
const entrySize = 360

// memory returns the number of bytes that an event takes in a Log before it is
// encoded.
func (e Event) memory() int64 {
	return entrySize + int64(len(e.ID)+len(e.Name)+len(e.Data)+len(e.Key))
}

// Encoded returns the event in an encoding, which the caller must not change.
// The first call for an encoding calls encode; other calls wait for it and
// return the same bytes. The log counts the bytes toward its limit.
func (e *Entry) Encoded(as Encoding, encode func(Event) []byte) []byte {
	form := &e.encoded[as]
	form.once.Do(func() {
		form.bytes = encode(e.Event)
		if e.log != nil {
			e.log.grow(e, int64(cap(form.bytes)))
		}
	})
	return form.bytes
}
