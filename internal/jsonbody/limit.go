package jsonbody

import (
	"errors"
	"io"
	"math"
	"net/http"

	"github.com/stanza-go/framework/pkg/http/internal/response"
)

// ErrTooLarge is the error for a body over a limit, whoever has set it.
var ErrTooLarge = errors.New("http: request body too large")

// Capacities of the buffer that Read begins with: if the length of the body is
// not known, and at most.
const (
	minStart = 512
	maxStart = 4 << 10
)

// Read returns the body of r. It reads limit bytes, and one more to see that
// the body ends there; if it does not, the error is [ErrTooLarge]. The error of
// an [http.MaxBytesReader] around the body becomes ErrTooLarge too. A limit
// below 0 counts as 0, and a nil body as empty.
//
// The memory is the caller's alone and is never used again, so that a type's
// own UnmarshalJSON may keep what it was given. Its size follows what has
// arrived, not what Content-Length announces.
func Read(r *http.Request, limit int64) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	most := min(max(limit, 0), math.MaxInt-1) + 1
	body := make([]byte, 0, min(startSize(r.ContentLength), most))
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

// startSize returns the capacity to begin with: room for the announced length
// and for the byte that is asked for to find the end.
func startSize(announced int64) int64 {
	if announced < 0 {
		return minStart
	}
	return min(announced, maxStart-1) + 1
}

// grow returns body with a larger capacity, of at most most: what was announced
// if an eighth of it has arrived, and otherwise twice as much as before, or most
// if that is not much more.
func grow(body []byte, announced, most int64) []byte {
	size := 2 * int64(cap(body))
	switch {
	case announced >= int64(len(body)) && announced < 8*int64(len(body)):
		size = min(announced+1, most)
	case most/2 <= size:
		size = most
	}
	grown := make([]byte, len(body), size)
	copy(grown, body)
	return grown
}

// CloseAfterReply makes the server of an HTTP/1 connection close it after the
// response, without waiting for the rest of the request's body. The header
// must not have been sent. In HTTP/2 the server ends the request's stream on
// its own.
func CloseAfterReply(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor != 1 {
		return
	}
	w.Header()["Connection"] = []string{"close"}
	// That alone may cost the client the response: a TCP connection closed with
	// unread bytes in it is reset.
	response.LimitReached(w)
}
