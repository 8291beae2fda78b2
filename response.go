package http

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strconv"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
	"github.com/stanza-go/framework/pkg/http/internal/callsite"
	"github.com/stanza-go/framework/pkg/http/internal/csvbody"
	"github.com/stanza-go/framework/pkg/http/internal/jsonbody"
	"github.com/stanza-go/framework/pkg/http/internal/reqstate"
	"github.com/stanza-go/framework/pkg/http/internal/response"
)

// WriteJSON writes a response with the given status and the JSON encoding of v. It
// sets Content-Type and Content-Length. The encoding is that of
// [encoding/json.Marshal], which escapes <, > and &. If the status does not allow a
// body (1xx, 204, 205 and 304), WriteJSON ignores v.
//
// WriteJSON encodes all of v before it sends anything. If v cannot be encoded,
// WriteJSON logs the error and responds with status 500. It uses the logger of
// [RequestLogger], or [slog.Default] if there is none. If a MarshalJSON method
// panics, WriteJSON panics too, so that [Recovery] can respond.
func WriteJSON(w ResponseWriter, status int, v any) {
	if !hasBody(status) {
		w.WriteHeader(status)
		return
	}
	body := bufpool.Get()
	if err := jsonbody.Encode(body, v); err != nil {
		writeEncodingError(w, err)
		return
	}
	sendJSON(w, status, body)
}

// WriteError writes a response with the given status and the JSON object
// {"error": message}. The client receives the message, so it must not contain the
// cause of an internal error; see [WriteServerError]. [Router.ErrorForm] changes the form
// of the body.
//
// # Headers
//
// A handler may have set headers for another body before it failed. WriteError
// removes
//
//   - headers that describe a body, for example Content-Length,
//     Content-Disposition, Content-Range, ETag, Last-Modified and Trailer,
//   - headers that control caching, for example Cache-Control and Expires,
//   - Location and Refresh, if the status is 400 or above.
//
// It keeps other headers, for example Set-Cookie, Vary, Allow, Retry-After and
// WWW-Authenticate. For status 416, it also keeps a Content-Range of the form
// "bytes */1234".
//
// # Content-Encoding
//
// WriteError also removes Content-Encoding, unless middleware of another package set
// it before calling the handler. Such middleware, for example gorilla's
// CompressHandler, also encodes the error, so the client needs the header to decode
// it.
//
// WriteError can tell who set the header if the ResponseWriter comes from [Server],
// from middleware of this package, or from net/http or net/http/httptest. With any
// other ResponseWriter, WriteError keeps the header, as [net/http.Error] does. A
// handler that encodes its own body must then remove the header before it calls
// WriteError.
func WriteError(w ResponseWriter, status int, message string) { writeError(w, status, message, nil) }

// writeError is WriteError with additional members for the body. The map may be nil.
func writeError(w ResponseWriter, status int, message string, members map[string]any) {
	response.DropBody(w, status)
	if !hasBody(status) {
		w.WriteHeader(status)
		return
	}
	if state := response.Find(w).State(); state.Scope().ErrorWriter() != nil {
		writeErrorInForm(w, state, status, message, members)
		return
	}
	body := bufpool.Get()
	body.B = append(body.B, `{"error":`...)
	jsonbody.EncodeString(body, message)
	if err := appendMembers(body, members); err != nil {
		writeEncodingError(w, err)
		return
	}
	body.B = append(body.B, '}')
	sendJSON(w, status, body)
}

// writeErrorInForm writes an error in the form that the router has set. While it is
// written, errors have the default form, so that the function for the form may call
// WriteError. If the function writes nothing, or panics before it has written anything, the
// error has the default form too.
func writeErrorInForm(w ResponseWriter, state *reqstate.State, status int, message string, members map[string]any) {
	scope := state.Scope()
	var inside *reqstate.Scope
	if scope.Mounted != nil {
		inside = &reqstate.Scope{Mounted: scope.Mounted}
	}
	state.SetScope(inside)
	defer state.SetScope(scope)
	callForm(w, scope.WriteError, status, message, members)
	if !response.Find(w).Committed() {
		writeError(w, status, message, members)
	}
}

// callForm calls the function for the form. If it panics before it has written anything,
// callForm logs the panic and returns.
func callForm(w ResponseWriter, write reqstate.ErrorWriter, status int, message string, members map[string]any) {
	returned := false
	defer func() {
		if returned {
			return
		}
		v := recover()
		if v == nil {
			return // runtime.Goexit was called
		}
		cw := response.Find(w)
		if cw.Committed() || v == any(ErrAbortHandler) {
			panic(v)
		}
		logError(cw.Request(), slog.LevelError, "panic in the ErrorForm function", fmt.Errorf("http: %v", v))
	}()
	write(w, status, message, members)
	returned = true
}

// appendMembers appends members to a JSON object, each after a comma, in the order of
// their names.
func appendMembers(body *bufpool.Buffer, members map[string]any) error {
	if len(members) == 0 {
		return nil // without the allocations of Sorted
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		body.B = append(body.B, ',')
		jsonbody.EncodeString(body, name)
		body.B = append(body.B, ':')
		if err := jsonbody.Encode(body, members[name]); err != nil {
			return err
		}
	}
	return nil
}

// A Problem describes an error to the client of an HTTP API (RFC 9457).
type Problem struct {
	// Type is a URI that identifies the type of the problem. If empty, the member is
	// omitted, which means "about:blank": the problem is described by its status.
	Type string
	// Title is a short description of the type. If both Title and Type are empty, the
	// text of the status is used, for example "Not Found".
	Title string
	// Status is the status of the response. If zero, 500 is used.
	Status int
	// Detail describes this occurrence of the problem, or is empty.
	Detail string
	// Instance is a URI that identifies this occurrence, or is empty.
	Instance string
	// Extensions contains additional members by name, for example "balance". The names
	// of the members above, such as "type", must not be used.
	Extensions map[string]any
}

// WriteProblem writes a problem as a response with the type application/problem+json. It
// removes the same headers as [WriteError]. The client receives all members, so they must
// not contain the cause of an internal error. If an extension cannot be encoded,
// WriteProblem logs the error and responds with status 500, as [WriteJSON] does. It panics
// if an extension has the name of another member.
//
// To write all errors of an application as problems, pass WriteProblem to
// [Router.ErrorForm].
func WriteProblem(w ResponseWriter, p Problem) {
	status := cmp.Or(p.Status, StatusInternalServerError)
	for _, name := range [...]string{"type", "title", "status", "detail", "instance"} {
		if _, taken := p.Extensions[name]; taken {
			callsite.Panicf("WriteProblem: the extension %q has the name of a member of Problem", name)
		}
	}
	response.DropBody(w, status)
	if !hasBody(status) {
		w.WriteHeader(status)
		return
	}
	if p.Type == "" && p.Title == "" {
		p.Title = StatusText(status)
	}
	body := bufpool.Get()
	body.B = append(body.B, `{"status":`...)
	body.B = strconv.AppendInt(body.B, int64(status), 10)
	for _, member := range [...]struct{ name, value string }{
		{`,"type":`, p.Type}, {`,"title":`, p.Title}, {`,"detail":`, p.Detail}, {`,"instance":`, p.Instance},
	} {
		if member.value != "" {
			body.B = append(body.B, member.name...)
			jsonbody.EncodeString(body, member.value)
		}
	}
	if err := appendMembers(body, p.Extensions); err != nil {
		writeEncodingError(w, err)
		return
	}
	body.B = append(body.B, '}')
	sendBody(w, "application/problem+json", status, body)
}

// WriteServerError logs err and responds with status 500 and the JSON object
// {"error": message}. It does not send err to the client.
//
// The log record has level Error, the given message, and the attributes error, method
// and path. The method and path have the same form as in [RequestLogger].
// WriteServerError uses the logger that [LoggerFromContext] returns for the request's
// context.
func WriteServerError(w ResponseWriter, r *Request, message string, err error) {
	logError(r, slog.LevelError, message, err)
	WriteError(w, StatusInternalServerError, message)
}

// logError logs an error that occurred while a request was served.
func logError(r *Request, level slog.Level, message string, err error) {
	attrs := []slog.Attr{slog.Any("error", err), slog.String("method", printable(r.Method))}
	if r.URL != nil {
		attrs = append(attrs, slog.String("path", printablePath(r)))
	}
	LoggerFromContext(r.Context()).LogAttrs(r.Context(), level, message, attrs...)
}

// hasDisconnected reports whether the client has disconnected, which cancels the request's
// context. A context whose deadline has passed does not count: the client still waits.
func hasDisconnected(r *Request) bool { return errors.Is(r.Context().Err(), context.Canceled) }

// PaginatedResponse writes one page of a list with status 200, as the JSON object
// {key: items, "total": total}. total is the number of items on all pages. It can
// be an int, for example from len, or an int64, for example from a database. If
// items encodes as null, for example because it is a nil slice, it is written as [].
//
// If items cannot be encoded, PaginatedResponse logs the error and responds with
// status 500, as [WriteJSON] does. It panics if key is "total".
func PaginatedResponse[N ~int | ~int64](w ResponseWriter, key string, items any, total N) {
	if key == "total" {
		callsite.Panicf(`PaginatedResponse: the key "total" is used for the number of items; use another key`)
	}
	writePage(w, key, items, int64(total))
}

// writePage is PaginatedResponse without type parameters.
func writePage(w ResponseWriter, key string, items any, total int64) {
	body := bufpool.Get()
	body.B = append(body.B, '{')
	jsonbody.EncodeString(body, key)
	body.B = append(body.B, ':')
	begin := len(body.B)
	if err := jsonbody.Encode(body, items); err != nil {
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

// WriteCSV responds with status 200 and a CSV file for download. It writes header as
// the first row, unless header is empty, and then each row that next returns, until
// next returns nil.
//
// The file name consists of entity and the current date in UTC, for example
// users-20260322.csv. Characters in entity that are unsafe in a file name or in a
// header are replaced by underscores.
//
// # Format
//
// Lines end in LF. Cells are quoted if RFC 4180 requires it, if they begin with white
// space, or if they are "\.", which ends the data in PostgreSQL. They are also quoted if
// readers would otherwise skip the row: a row of one empty cell is written as "", and a
// first cell that starts with # is quoted. A row that is empty but not nil becomes a
// blank line, which most readers skip.
//
// # Streaming
//
// WriteCSV sends rows as next returns them, and uses a bounded amount of memory. It
// flushes about once a second, but not while next blocks. WriteCSV calls next in the
// calling goroutine. If a write fails because the client has disconnected, WriteCSV
// returns without calling next again.
//
// # Errors
//
// If reading the rows can fail, use [StreamCSV]. If next cannot continue, for example
// because the database fails, it must not return nil, because the file would look
// complete. It should panic with [ErrAbortHandler], which aborts the response so that
// the client notices the failure. After rows have been sent, any other panic has the
// same effect; before that, [Recovery] can respond. WriteCSV panics if next is nil.
//
// # Security
//
// Spreadsheets may evaluate a cell that starts with =, +, - or @ as a formula.
// WriteCSV does not change such cells; [StreamCSV] can.
func WriteCSV(w ResponseWriter, entity string, header []string, next func() []string) {
	if next == nil {
		callsite.Panicf("WriteCSV: next is nil")
	}
	csvbody.Respond(w, entity, header, next)
}

// CSVOptions sets the format of the file that [StreamCSV] writes. The zero value is
// the format of [WriteCSV].
type CSVOptions struct {
	// Delimiter separates the cells of a row. If zero, a comma is used. Excel expects
	// a semicolon where the comma is the decimal separator. Double quotes, line
	// breaks, "#", and the byte order mark are invalid.
	Delimiter rune

	// BOM writes a byte order mark at the beginning of the file, so that Excel reads
	// it as UTF-8. Most other programs expect none and treat it as part of the first
	// column name. If the first cell already begins with one, no second one is written.
	BOM bool

	// EscapeFormulas adds an apostrophe before cells that a spreadsheet may evaluate
	// as a formula, including column names. Use it if cells contain user input and
	// the file is opened in a spreadsheet. To other programs, the apostrophes are part
	// of the values.
	//
	// Such cells begin with =, +, -, @, a tab, CR, LF, NUL, or the full-width form of
	// one of the first four (CSV injection, OWASP). Negative numbers are not changed: a
	// minus sign followed by digits, points, and commas, and optionally an exponent,
	// for example -1,234.50 or -1e-9. Phone numbers such as +1 555 0100 are changed.
	//
	// The spreadsheet must use the same delimiter. Otherwise it may split a cell and
	// evaluate its second half.
	EscapeFormulas bool
}

// StreamCSV is like [WriteCSV], but for rows from a source that can fail, for example a
// database. header is the first row; if it is empty, there is none. rows yields each row
// with a nil error; see [iter.Seq2]. It can reuse the slice for the next row.
//
//	http.StreamCSV(w, r, "users", []string{"ID", "Name"}, users.All(r.Context()), http.CSVOptions{})
//
// # Errors
//
// If rows yields an error, StreamCSV does not continue. If no part of the file has been
// sent, which usually means that it is shorter than 4 KiB and the request has taken less
// than a second, StreamCSV logs the error and responds with status 500, as
// [WriteServerError] does with the message "internal server error".
//
// Otherwise StreamCSV logs the error and panics with [ErrAbortHandler]. The response is
// aborted, so that the client does not mistake a part of the file for the whole. Over
// HTTP/1.1 the last chunk is missing, over HTTP/2 the stream is reset, and over HTTP/1.0,
// which some proxies use, the connection is reset. Deferred functions of the handler run.
//
// The log record is that of WriteServerError. If the request's context was canceled
// because the client has disconnected, it has level Debug. If a write fails for this
// reason, StreamCSV stops the sequence and returns without logging.
//
// StreamCSV panics if rows is nil or an option is invalid. If rows panics, the effect is
// the same as if next panics in WriteCSV.
func StreamCSV(w ResponseWriter, r *Request, entity string, header []string, rows iter.Seq2[[]string, error], options CSVOptions) {
	if rows == nil {
		callsite.Panicf("StreamCSV: rows is nil")
	}
	var wrong callsite.FieldErrors
	if reason := csvbody.CheckDelimiter(options.Delimiter); reason != "" {
		wrong.Addf("Delimiter", "%q %s", options.Delimiter, reason)
	}
	wrong.PanicIfAny("CSVOptions")
	begun, err := csvbody.Stream(w, entity, header, rows, csvbody.Format(options))
	if err == nil {
		return
	}
	level := slog.LevelError
	if hasDisconnected(r) {
		level = slog.LevelDebug
	}
	if begun {
		logError(r, level, "CSV download aborted", err)
		csvbody.Abort(w, r)
	}
	logError(r, level, "internal server error", err)
	WriteError(w, StatusInternalServerError, "internal server error")
}

// hasBody reports whether responses with the given status have a body (RFC 9110,
// sections 15.2, 15.3.5, 15.3.6 and 15.4.5).
func hasBody(status int) bool {
	return status >= 200 && status != StatusNoContent && status != StatusResetContent && status != StatusNotModified
}

// sendJSON sends a complete JSON response.
//
// It returns body to the pool. This is safe because body contains a copy of the data
// that the handler encoded, and because a ResponseWriter must not retain it, like any
// [io.Writer]. After a failed write, sendJSON does not return body to the pool, because
// the HTTP/2 server may still be reading it.
func sendJSON(w ResponseWriter, status int, body *bufpool.Buffer) {
	sendBody(w, "application/json", status, body)
}

// sendBody is sendJSON for a body of any type.
func sendBody(w ResponseWriter, contentType string, status int, body *bufpool.Buffer) {
	setContent(w, contentType, len(body.B))
	w.WriteHeader(status)
	if _, err := w.Write(body.B); err == nil {
		bufpool.Put(body)
	}
}

// setContent sets the headers for a body of known type and length. If the response
// has a Content-Encoding, a middleware will encode the body and change its length,
// so setContent removes Content-Length.
func setContent(w ResponseWriter, contentType string, length int) {
	if h := response.BorrowHeader(w); len(h["Content-Encoding"]) > 0 {
		response.SetHeader(w, "Content-Type", contentType)
		delete(h, "Content-Length")
		return
	}
	response.SetHeaders(w,
		response.Field{Name: "Content-Type", Value: contentType},
		response.Field{Name: "Content-Length", Value: strconv.Itoa(length)})
}

// writeEncodingError logs that a value cannot be encoded, which is a mistake in the
// program, and responds with status 500.
func writeEncodingError(w ResponseWriter, err error) {
	logger := slog.Default()
	if state := response.Find(w).State(); state != nil {
		logger = LoggerFromContext(state)
	}
	logger.Error("response could not be encoded as JSON", slog.Any("error", err))
	WriteError(w, StatusInternalServerError, "internal server error")
}
