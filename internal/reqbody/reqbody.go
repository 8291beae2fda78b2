// Package reqbody reads request bodies of bounded size into memory, and sees to
// it that the connection does not outlive a body that is larger.
package reqbody

import (
	"bufio"
	"errors"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
	"github.com/stanza-go/framework/pkg/http/internal/capture"
)

// ErrTooLarge is the error for a body over a limit, whoever has set it.
var ErrTooLarge = errors.New("http: request body too large")

// Read appends the body of r to dst. It reads limit bytes, and one more to see
// that the body ends there; if it does not, the error is [ErrTooLarge]. That
// is also what the error of an [http.MaxBytesReader] around the body becomes.
// dst grows with what arrives, not with what Content-Length announces. A limit
// below 0 counts as 0, and a nil body as empty.
func Read(dst *bufpool.Buffer, r *http.Request, limit int64) error {
	if r.Body == nil {
		return nil
	}
	limit = min(max(limit, 0), math.MaxInt64-1)
	begin := len(dst.B)
	for {
		dst.B = slices.Grow(dst.B, 1)
		free := dst.B[len(dst.B):cap(dst.B)]
		if left := limit + 1 - int64(len(dst.B)-begin); int64(len(free)) > left {
			free = free[:left]
		}
		n, err := r.Body.Read(free)
		dst.B = dst.B[:len(dst.B)+n]
		if int64(len(dst.B)-begin) > limit {
			return ErrTooLarge
		}
		if err == io.EOF {
			return nil
		}
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return ErrTooLarge
		}
		if err != nil {
			return err
		}
	}
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
	// unread bytes in it is reset. A MaxBytesReader that meets its limit tells
	// the server, which then lingers before it closes.
	limited := http.MaxBytesReader(capture.Innermost(w), io.NopCloser(strings.NewReader("x")), 0)
	_, _ = limited.Read(make([]byte, 1)) // fails: that is its purpose
}

// slack is how much of a body that nobody has read net/http skips in order to
// keep the connection.
const slack = 256 << 10

// Abandon makes an HTTP/1 server close the connection after the response
// although the caller has no ResponseWriter to say so with. read bytes of the
// body of r have been read, and there are more.
//
// If much is left there is nothing to do: net/http gives the connection up. If
// little is left it would skip that and go on. It does not if it finds, in the
// place of the body that it handed out, one that was closed before its end; so
// that is put there. It is the request made by the server that counts: one
// that middleware of this module has copied is reached through its State, but
// one that other middleware has copied is not. Then a connection with little
// left of the body on it stays in use. So does one on which 256 to 512 KiB are
// left of a body that did not announce its length: how much of it net/http is
// going to skip cannot be known.
//
// The body itself is not closed. If middleware has put another in front of it,
// net/http would take the closed one for one read to its end, and what is left
// of it for the next request.
func Abandon(r *http.Request, read int64) {
	if r.ProtoMajor != 1 || r.ContentLength-read > slack {
		return
	}
	if r.ContentLength < 0 {
		if _, err := io.CopyN(io.Discard, r.Body, slack); err != io.EOF {
			return
		}
	}
	r.Body = unfinished()
	if state := capture.StateOf(r.Context()); state != nil {
		state.ReplaceBody(r.Body)
	}
}

// unfinished returns a request body of net/http that was closed before its end.
func unfinished() io.ReadCloser {
	const request = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n"
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(request)))
	if err != nil {
		return http.NoBody
	}
	_ = r.Body.Close() // fails: that is its purpose
	return r.Body
}
