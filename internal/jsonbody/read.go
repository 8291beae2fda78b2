package jsonbody

import (
	"errors"
	"io"
	"math"
	"net/http"

	"github.com/stanza-go/framework/pkg/http/internal/response"
)

// ErrTooLarge is the error for a body that exceeds the limit of [Read] or of an
// [http.MaxBytesReader].
var ErrTooLarge = errors.New("http: request body too large")

// Initial capacities of the buffer of Read, in bytes: for a body of unknown
// length, and the maximum for one with a Content-Length.
const (
	unknownCapacity = 512
	maxCapacity     = 4 << 10
)

// Read returns the body of r. If the body is longer than limit bytes, or exceeds
// the limit of an [http.MaxBytesReader] around it, Read returns [ErrTooLarge]. To
// detect a longer body, it reads up to one byte beyond the limit. A negative
// limit is treated as 0, and a nil body as empty.
//
// The returned memory belongs to the caller and is never reused. Its size depends
// mainly on the number of bytes received; on the basis of Content-Length alone,
// Read allocates at most 4 KiB.
func Read(r *http.Request, limit int64) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	most := min(max(limit, 0), math.MaxInt-1) + 1
	body := make([]byte, 0, min(initialCapacity(r.ContentLength), most))
	for {
		if len(body) == cap(body) {
			body = grow(body, r.ContentLength, most)
		}
		n, err := r.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if int64(len(body)) == most {
			return nil, ErrTooLarge
		}
		if err == io.EOF {
			return body, nil
		}
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, ErrTooLarge
		}
		if err != nil {
			return nil, err
		}
	}
}

// initialCapacity returns the initial capacity for a body with the given
// Content-Length, or -1. It includes the byte that is read to find the end.
func initialCapacity(contentLength int64) int64 {
	if contentLength < 0 {
		return unknownCapacity
	}
	return min(contentLength, maxCapacity-1) + 1
}

// grow returns body with a larger capacity, up to most. If more than an eighth of
// the announced Content-Length has been received, the new capacity is that length
// plus one byte. Otherwise it is twice the old one, or most if that is at most
// four times the old one.
func grow(body []byte, contentLength, most int64) []byte {
	capacity := 2 * int64(cap(body))
	switch {
	case contentLength >= int64(len(body)) && contentLength < 8*int64(len(body)):
		capacity = min(contentLength+1, most)
	case most/2 <= capacity:
		capacity = most
	}
	grown := make([]byte, len(body), capacity)
	copy(grown, body)
	return grown
}

// CloseAfterResponse makes the server close an HTTP/1 connection after the
// response, without waiting for the rest of the request's body. It must be called
// before the header is sent. For HTTP/2, CloseAfterResponse does nothing, because
// the server ends the request's stream anyway.
func CloseAfterResponse(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor != 1 {
		return
	}
	w.Header()["Connection"] = []string{"close"}
	// With the header alone, the client may not receive the response: closing a
	// TCP connection with unread bytes resets it.
	response.LimitReached(w)
}
