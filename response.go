package http

import (
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
	"github.com/stanza-go/framework/pkg/http/internal/callsite"
	"github.com/stanza-go/framework/pkg/http/internal/csvbody"
	"github.com/stanza-go/framework/pkg/http/internal/jsonbody"
	"github.com/stanza-go/framework/pkg/http/internal/response"
)

// WriteJSON answers a request with a status and the JSON encoding of v, which
// is that of [encoding/json.Marshal]: <, > and & are escaped. It sets
// Content-Type and Content-Length.
//
// The whole of v is encoded before anything is sent. If that fails, the client
// gets a clean 500 and the error is logged with the request's logger. A panic
// in a MarshalJSON method is passed on, for [Recovery] to answer. Statuses
// that have no body (1xx, 204, 205 and 304) are sent without one.
func WriteJSON(w ResponseWriter, status int, v any) {
	if !hasBody(status) {
		w.WriteHeader(status)
		return
	}
	body := bufpool.Get()
	if err := jsonbody.Append(body, v); err != nil {
		writeEncodingError(w, err)
		return
	}
	sendJSON(w, status, body)
}

// WriteError answers a request with a status and {"error": message} as JSON.
//
// It drops the header fields that were set for another body before: those that
// describe it, such as Content-Length, Content-Disposition, Content-Range,
// ETag, Last-Modified and Trailer, and those that let it be stored, such as
// Cache-Control and Expires. For statuses from 400 it drops Location too.
// Fields that are not about the body stay, for example Set-Cookie, Vary,
// Allow, Retry-After, WWW-Authenticate, and a Content-Range of the form
// "bytes */1234" if status is 416.
//
// Content-Encoding is dropped as well, but not if it belongs to a middleware
// outside of this package's that set it before it called the handler, as
// gorilla's CompressHandler does: the client needs it to decode the error.
// WriteError knows this for the writers of this package's middleware and
// [Server], and for those of net/http and net/http/httptest, which encode
// nothing. For any other ResponseWriter it leaves the field alone, as
// [net/http.Error] always does; a handler that encodes its body itself behind
// such a wrapper must delete the field before it calls WriteError.
//
// The client reads the message. For what went wrong inside the server use
// [WriteServerError], which keeps the cause out of it.
func WriteError(w ResponseWriter, status int, message string) {
	response.DropBody(w, status)
	if !hasBody(status) {
		w.WriteHeader(status)
		return
	}
	body := bufpool.Get()
	body.B = append(body.B, `{"error":`...)
	jsonbody.AppendString(body, message)
	body.B = append(body.B, '}')
	sendJSON(w, status, body)
}

// WriteServerError logs err at level Error with the request's logger (see
// [LoggerFromContext]), under the given message and with the request's method
// and path, written as by [RequestLogger]. It answers with status 500 and
// {"error": message}. The client sees the message and nothing of err.
func WriteServerError(w ResponseWriter, r *Request, message string, err error) {
	attrs := []slog.Attr{slog.Any("error", err), slog.String("method", printable(r.Method))}
	if r.URL != nil {
		attrs = append(attrs, slog.String("path", printablePath(r)))
	}
	LoggerFromContext(r.Context()).LogAttrs(r.Context(), slog.LevelError, message, attrs...)
	WriteError(w, StatusInternalServerError, message)
}

// PaginatedResponse answers a request with one page of a list, as the JSON
// object {key: items, "total": total} with status 200. total is the number of
// items on all pages: an int, as len gives it, or an int64, as databases do.
// Items that encode as null, such as a nil slice or a pointer to one, are
// written as [].
//
// If items cannot be encoded the client gets a 500, as with [WriteJSON]. It
// panics if key is "total".
func PaginatedResponse[N ~int | ~int64](w ResponseWriter, key string, items any, total N) {
	if key == "total" {
		callsite.Panicf(`PaginatedResponse: the key "total" clashes with the member for the number of items`)
	}
	writePage(w, key, items, int64(total))
}

// writePage is PaginatedResponse for a total of any type.
func writePage(w ResponseWriter, key string, items any, total int64) {
	body := bufpool.Get()
	body.B = append(body.B, '{')
	jsonbody.AppendString(body, key)
	body.B = append(body.B, ':')
	begin := len(body.B)
	if err := jsonbody.Append(body, items); err != nil {
		writeEncodingError(w, err)
		return
	}
	if string(body.B[begin:]) == "null" {
		body.B = append(body.B[:begin], "[]"...)
	}
	body.B = append(body.B, `,"total":`...)
	body.B = strconv.AppendInt(body.B, total, 10)
	body.B = append(body.B, '}')
	sendJSON(w, StatusOK, body)
}

// WriteCSV answers a request with a CSV file for download. The header row comes
// first, unless it is empty, followed by the rows that next returns until it
// returns nil. The file is named after entity and the day in UTC, for example
// users-20260322.csv. Characters that are not safe in a file name or a header
// field become underscores; names with characters outside ASCII are sent as
// RFC 6266 recommends.
//
// Rows go out as they come, in bounded memory, and at least once a second if
// they come slowly. Lines end in a single LF. Cells are written as they are,
// in quotes if RFC 4180 asks for them or readers would skip the row: a row of
// one empty cell is written as "", and a first cell that starts with # is
// quoted. A row that is empty but not nil is a blank line, which most readers
// skip.
//
// A cell that begins with =, +, - or @ is left alone, although a spreadsheet
// may evaluate it as a formula. Escape cells that hold what users have typed.
//
// If the client goes away, next is not called again. If next fails, for
// example because the database does, returning nil would make the file look
// complete. It should panic with [ErrAbortHandler] instead, which breaks off
// the connection, so that the client sees the failure. Any other panic does
// the same once rows have been sent; before that, [Recovery] can answer.
// WriteCSV panics if next is nil.
func WriteCSV(w ResponseWriter, entity string, header []string, next func() []string) {
	if next == nil {
		callsite.Panicf("WriteCSV: next is nil")
	}
	now := time.Now()
	out := &csvResponse{w: w, disposition: csvbody.Disposition(entity, now)}
	rows := csvbody.New(out)
	if len(header) > 0 {
		_ = rows.Write(header) // an error stays and ends the loop
	}
	flushed := now
	var due atomic.Bool // soon: a timer costs less than a look at the clock for each row
	timer := time.AfterFunc(almostSecond, func() { due.Store(true) })
	defer timer.Stop()
	for row := next(); row != nil; row = next() {
		if rows.Write(row) != nil {
			return // the client is gone: nobody to tell
		}
		if !due.Load() {
			continue
		}
		if now := time.Now(); now.Sub(flushed) >= time.Second {
			flushed = now
			_ = rows.Flush()                     // an error stays and ends the loop
			_ = NewResponseController(w).Flush() // not supported, or the next write fails too
			due.Store(false)
			timer.Reset(almostSecond)
		}
	}
	_ = rows.Flush() // the client is gone: nobody to tell
	out.start()
}

// almostSecond is after what time WriteCSV looks at the clock for each row. It
// is less than the second after which it flushes, which the timer would reach
// together with a row that comes every second.
const almostSecond = 900 * time.Millisecond

// A csvResponse sets the headers of a CSV file when the first bytes are sent,
// so that a panic before that leaves the response as it was.
type csvResponse struct {
	w           ResponseWriter
	disposition string
	started     bool
}

// Write sends a part of the file.
func (c *csvResponse) Write(p []byte) (int, error) {
	c.start()
	return c.w.Write(p)
}

// start sets the headers, once.
func (c *csvResponse) start() {
	if c.started {
		return
	}
	c.started = true
	delete(c.w.Header(), "Content-Length")
	response.SetHeaders(c.w,
		response.Field{Name: "Content-Type", Value: "text/csv; charset=utf-8"},
		response.Field{Name: "Content-Disposition", Value: c.disposition})
}

// hasBody reports whether responses with a status have a body (RFC 9110,
// sections 15.2, 15.3.5, 15.3.6 and 15.4.5).
func hasBody(status int) bool {
	return status >= 200 && status != StatusNoContent && status != StatusResetContent && status != StatusNotModified
}

// sendJSON sends a whole response. Every JSON response of the helpers ends here.
//
// The body is pooled. The handler cannot reach it: what it encodes is copied
// there, and the ResponseWriter must not keep it, as no [io.Writer] may. It is
// not put back if encoding or writing it failed, because the HTTP/2 server may
// still be sending it then.
func sendJSON(w ResponseWriter, status int, body *bufpool.Buffer) {
	setContent(w, "application/json", len(body.B))
	w.WriteHeader(status)
	if _, err := w.Write(body.B); err == nil {
		bufpool.Put(body)
	}
}

// setContent sets the two headers that describe a body of known length. If the
// body has a Content-Encoding, somebody encodes it on its way, and the length
// that is sent is another.
func setContent(w ResponseWriter, contentType string, length int) {
	if h := w.Header(); len(h["Content-Encoding"]) > 0 {
		response.SetHeader(w, "Content-Type", contentType)
		delete(h, "Content-Length")
		return
	}
	response.SetHeaders(w,
		response.Field{Name: "Content-Type", Value: contentType},
		response.Field{Name: "Content-Length", Value: strconv.Itoa(length)})
}

// writeEncodingError answers for a value that cannot be encoded: a mistake in
// the program, which the log tells of and the client does not learn.
func writeEncodingError(w ResponseWriter, err error) {
	logger := slog.Default()
	if cw := response.Find(w); cw != nil && cw.State() != nil {
		logger = LoggerFromContext(cw.State())
	}
	logger.Error("response could not be encoded as JSON", slog.Any("error", err))
	WriteError(w, StatusInternalServerError, "internal server error")
}
