package http

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/stanza-go/framework/pkg/http/internal/jsonbody"
	"github.com/stanza-go/framework/pkg/http/internal/response"
	"github.com/stanza-go/framework/pkg/http/internal/shutdown"
)

// HandlerErrorFunc is an adapter for handler functions that return an error instead of
// writing an error response, as [HandlerFunc] is for functions that return nothing:
//
//	router.Handle("GET /users/{id}", http.HandlerErrorFunc(getUser))
//
// If the function returns nil, it must have written the response.
//
// # Errors
//
// An error that is or wraps one of the following, as reported by [errors.As] and
// [errors.Is], gets the status in this table. The first row that applies is used.
//
//	Error                               Status  Message
//	*StatusError                        its own
//	ErrBodyTooLarge, *MaxBytesError     413     request body too large
//	an error of ReadJSON, ReadForm etc. 400     describes the mistake
//	ErrContentType                      415     unsupported Content-Type
//	FieldErrors                         400     describes all mistakes
//	ErrNotMultipart                     415     request is not multipart/form-data
//	ErrMissingBoundary, ErrMissingFile  400     describes the mistake
//	ErrFeedClosed                       503     server is shutting down
//	the error of the request's context  499     the client has disconnected
//	context.DeadlineExceeded            503     request timed out
//	ErrHandlerTimeout                   503     request timed out
//	any other error                     500     internal server error
//
// In the third row, the status is 415 if the error wraps ErrContentType, and 408 if it
// wraps [os.ErrDeadlineExceeded] because the body did not arrive in time. If
// [Server.Stop] has canceled the context of a request with [Streaming], the response is
// that of ErrFeedClosed.
//
// The response is written like that of [WriteError], and [Router.ErrorForm] changes its
// form. The client receives only the message, never the text of an error that is not in
// the table. Errors with status 500 or above are logged like those of
// [WriteServerError]. Errors with a lower status are logged with level Debug if they have
// a cause. Status 499 is only for logs and metrics, because no client receives it.
//
// # Responses that have begun
//
// The function may return an error after it has written a part of the response. If
// middleware such as [ETag] still holds all of that part in memory, it is discarded, and
// the client gets the error response. Otherwise, the error is logged as above, but with
// level Debug if the request's context has been canceled, usually because the client has
// disconnected. HandlerErrorFunc then panics with [ErrAbortHandler]. This aborts the
// response, so that the client does not mistake a partial response for a complete one. If
// the response is complete according to its Content-Length, or the connection was
// hijacked, the error is only logged.
//
// If the function returns [ErrAbortHandler], HandlerErrorFunc panics with it. It does not
// recover from panics; see [Recovery].
type HandlerErrorFunc func(ResponseWriter, *Request) error

// ServeHTTP calls f and responds to the error that it returns.
func (f HandlerErrorFunc) ServeHTTP(w ResponseWriter, r *Request) {
	turn := response.Observe(w, r)
	defer turn.End()
	if err := f(turn.Writer, turn.Request); err != nil {
		respondToError(turn.Writer, turn.Request, err)
	}
	turn.Returned = true
}

// A StatusError is an error with the status and the message of the response. Handlers
// return it to [HandlerErrorFunc]; see also [Errorf].
type StatusError struct {
	// Status is the status of the response. If it is not between 400 and 999, 500 is used.
	Status int
	// Message is for the client. If empty, the text of the status in lower case is used,
	// for example "not found".
	Message string
	// Err is the cause, or nil. It is logged and not sent to the client, except that the
	// response contains the fields of a [FieldErrors] if Status is below 500.
	Err error
}

// Errorf returns a [*StatusError] whose message is formatted as by [fmt.Errorf]. The
// client receives the message without the text of errors that are wrapped with %w. A
// wrapped error is the cause, and is usually the last argument:
//
//	return http.Errorf(http.StatusNotFound, "no user %d: %w", id, err)
//
// The client then receives the message "no user 7".
func Errorf(status int, format string, args ...any) error {
	full := fmt.Errorf(format, args...)
	var causes []error
	switch wrapped := full.(type) {
	case interface{ Unwrap() error }:
		causes = []error{wrapped.Unwrap()}
	case interface{ Unwrap() []error }:
		causes = wrapped.Unwrap()
	}
	e := &StatusError{Status: status, Message: full.Error()}
	for _, cause := range causes {
		if cause != nil {
			e.Err = full
			e.Message = withoutCause(e.Message, fmt.Sprint(cause)) // as in the text of full
		}
	}
	return e
}

// withoutCause returns a message without the text of an error in it, or "" if the text is
// not in it in this form.
func withoutCause(message, text string) string {
	if text == "" {
		return message
	}
	if before, found := strings.CutSuffix(message, text); found {
		message = strings.TrimRight(before, ": ")
	} else if !strings.Contains(message, text) {
		return ""
	}
	return strings.ReplaceAll(message, text, "")
}

// Error returns the status and the message, or the cause if there is one.
func (e *StatusError) Error() string {
	if e == nil {
		return "http: nil *StatusError"
	}
	text := e.message()
	if e.Err != nil {
		text = e.Err.Error()
	}
	return fmt.Sprintf("http: status %d: %s", e.status(), text)
}

// Unwrap returns the cause.
func (e *StatusError) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.Err
}

// status returns the status of the response.
func (e *StatusError) status() int {
	if e.Status < 400 || e.Status > 999 {
		return StatusInternalServerError
	}
	return e.Status
}

// message returns the message for the client.
func (e *StatusError) message() string {
	return cmp.Or(e.Message, strings.ToLower(StatusText(e.status())), "error")
}

// statusClientClosedRequest is the status of a response that nobody reads. Its meaning comes
// from nginx.
const statusClientClosedRequest = 499

// statusOf returns the response to an error of a handler, as a StatusError with the error
// as its cause, unless the cause is in the message.
func statusOf(r *Request, err error) *StatusError {
	invalid, isInvalid := errors.AsType[*jsonbody.Error](err)
	hidden := func(cause error) bool { return isInvalid && errors.Is(invalid.Cause, cause) } // as BindJSON does
	if found, ok := errors.AsType[*StatusError](err); ok && found != nil && !hidden(found) {
		return &StatusError{found.status(), found.message(), causeOf(found, err)}
	}
	if _, limited := errors.AsType[*MaxBytesError](err); limited || errors.Is(err, ErrBodyTooLarge) {
		return &StatusError{StatusRequestEntityTooLarge, "request body too large", nil}
	}
	if isInvalid {
		return &StatusError{inputStatus(err), invalid.Message, invalid.Cause}
	}
	fields := fieldsOf(err)
	switch {
	case errors.Is(err, ErrContentType):
		return &StatusError{StatusUnsupportedMediaType, "unsupported Content-Type", nil}
	case len(fields) > 0:
		return &StatusError{StatusBadRequest, fields.Error(), nil}
	case errors.Is(err, ErrNotMultipart):
		return &StatusError{StatusUnsupportedMediaType, "request is not multipart/form-data", nil}
	case errors.Is(err, ErrMissingBoundary):
		return &StatusError{StatusBadRequest, "multipart body has no boundary", nil}
	case errors.Is(err, ErrMissingFile):
		return &StatusError{StatusBadRequest, "file is missing", nil}
	case errors.Is(err, ErrFeedClosed):
		return &StatusError{StatusServiceUnavailable, "server is shutting down", err}
	case errors.Is(err, context.Canceled) && shutdown.StreamStopped(r.Context()):
		return &StatusError{StatusServiceUnavailable, "server is shutting down", err}
	case errors.Is(err, context.Canceled) && hasDisconnected(r):
		return &StatusError{statusClientClosedRequest, "the client has disconnected", err}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, ErrHandlerTimeout):
		return &StatusError{StatusServiceUnavailable, "request timed out", err}
	}
	return &StatusError{StatusInternalServerError, "internal server error", err}
}

// causeOf returns the error to log for a StatusError that err is or wraps, or nil if it
// contains no more than the message.
func causeOf(found *StatusError, err error) error {
	if err == error(found) {
		return found.Err
	}
	return err
}

// respondToError responds to an error that a handler has returned, if that is still
// possible, and logs it.
func respondToError(cw *response.Writer, r *Request, err error) {
	if errors.Is(err, ErrAbortHandler) {
		panic(ErrAbortHandler)
	}
	answer := statusOf(r, err)
	switch {
	case cw.Hijacked(), cw.Ended(), cw.Committed() && cw.Complete():
		logLate(r, answer, err)
		return
	case !cw.Reset():
		logLate(r, answer, err)
		panic(ErrAbortHandler)
	}
	logAnswer(r, answer, answer.Err)
	if answer.Status == StatusRequestEntityTooLarge {
		jsonbody.CloseAfterResponse(cw, r)
	}
	var fields FieldErrors
	if _, ok := errors.AsType[*jsonbody.Error](err); !ok && answer.Status < StatusInternalServerError {
		fields = fieldsOf(err)
	}
	writeError(cw, answer.Status, answer.Message, fields.members())
}

// logLate logs an error that is returned after the response has begun. If the client has
// disconnected, the error usually is that of a write.
func logLate(r *Request, answer *StatusError, err error) {
	if hasDisconnected(r) {
		logError(r, slog.LevelDebug, answer.Message, err)
		return
	}
	logAnswer(r, answer, err)
}

// logAnswer logs the cause of an error response. An error of the server is logged even if
// it has none.
func logAnswer(r *Request, answer *StatusError, cause error) {
	switch {
	case answer.Status >= StatusInternalServerError:
		if cause == nil {
			cause = answer
		}
		logError(r, slog.LevelError, answer.Message, cause)
	case cause != nil:
		logError(r, slog.LevelDebug, answer.Message, cause)
	}
}
