// Package upload receives a file of a multipart form (RFC 7578) piece by piece.
package upload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"

	"github.com/stanza-go/framework/pkg/http/internal/jsonbody"
)

// Limits for the form without the content of the file.
const (
	maxOverhead = 1 << 20 // bytes of other fields, headers, and boundaries
	maxParts    = 1000    // as in mime/multipart's ReadForm
)

// Sizes of reads and writes in bytes.
const (
	headSize   = 512      // for detecting the type, as in http.DetectContentType
	bufferSize = 32 << 10 // of the writes
	readAhead  = 4 << 10  // the buffer of a multipart.Reader
)

// A Config describes the expected file and where it goes. Field, MaxSize, Detect, and a
// field of Target must be set.
type Config struct {
	Field   string
	MaxSize int64
	Types   []string // see [ValidType]; empty for any
	Detect  func(head []byte) string
	Target  Target
}

// A File is a received file.
type File struct {
	Name   string
	Type   string
	Size   int64
	Path   string
	Fields url.Values
}

// An Error says why a file was not received.
type Error struct {
	Status  int    // of the response
	Message string // for the client
	Err     error  // the cause, or nil
}

// Error returns the message and the cause.
func (e *Error) Error() string {
	if e.Err == nil {
		return "http: " + e.Message
	}
	return "http: " + e.Message + ": " + e.Err.Error()
}

// Receive receives the file in the body of r. If it fails, it leaves no file in the target's
// directory. If it cannot remove the file, the error has status 500. complete reports whether
// the whole body was read; it can be true even if there is an error.
func Receive(r *http.Request, config *Config) (file File, complete bool, err *Error) {
	body := &meteredBody{body: r.Body, left: maxOverhead + readAhead}
	form, err := formOf(r, body)
	switch {
	case err != nil:
		return File{}, false, err
	case r.ContentLength-maxOverhead > config.MaxSize:
		return File{}, false, tooLarge(config.MaxSize)
	}
	v := &receiver{ctx: r.Context(), config: config, body: body, form: form, storage: storage{Target: config.Target}}
	defer func() { // even if a Writer panics
		if removeErr := v.storage.discard(); err != nil && removeErr != nil {
			err = storageError(errors.Join(err.Err, removeErr))
		}
	}()
	if err = v.receive(); err != nil {
		return File{}, body.ended, err
	}
	return v.file, body.ended, nil
}

// formOf returns a reader of the form in the body of r.
func formOf(r *http.Request, body io.Reader) (*multipart.Reader, *Error) {
	if r.Body == nil {
		return nil, &Error{http.StatusUnsupportedMediaType, notMultipart, http.ErrNotMultipart}
	}
	original := r.Body
	r.Body = struct {
		io.Reader
		io.Closer
	}{body, original}
	form, err := r.MultipartReader()
	r.Body = original
	switch {
	case err == nil:
		return form, nil
	case errors.Is(err, http.ErrNotMultipart):
		return nil, &Error{http.StatusUnsupportedMediaType, notMultipart, err}
	case errors.Is(err, http.ErrMissingBoundary):
		return nil, &Error{http.StatusBadRequest, "the Content-Type has no boundary", err}
	}
	return nil, storageError(err) // other code has read the form
}

const notMultipart = "the Content-Type must be multipart/form-data"

// A receiver receives one form.
type receiver struct {
	ctx     context.Context
	config  *Config
	body    *meteredBody
	form    *multipart.Reader
	storage storage
	file    File
	found   bool // the file
}

// receive reads the whole form and stores the file.
func (v *receiver) receive() *Error {
	for n := 0; ; n++ {
		part, err := v.form.NextRawPart()
		if err == io.EOF {
			return v.finish()
		}
		if err != nil {
			return v.readError(err)
		}
		if n == maxParts {
			return badRequest("the form has too many parts", nil)
		}
		if err := v.receivePart(part); err != nil {
			return err
		}
	}
}

// receivePart receives the next part of the form.
func (v *receiver) receivePart(part *multipart.Part) *Error {
	name, filename := part.FormName(), part.FileName()
	field := fmt.Sprintf("field %q", v.config.Field)
	switch {
	case name == "":
		return badRequest("a part of the form has no name", nil)
	case name != v.config.Field && filename != "":
		return badRequest("the file must be in "+field, http.ErrMissingFile)
	case name != v.config.Field:
		return v.receiveValue(part, name)
	case filename == "":
		return badRequest(field+" has no file", http.ErrMissingFile)
	case v.found:
		return badRequest(field+" has more than one file", nil)
	}
	v.found = true
	v.file.Name = cleanName(filename)
	return v.receiveFile(part)
}

// receiveValue receives a field that is not a file.
func (v *receiver) receiveValue(part io.Reader, name string) *Error {
	value, err := io.ReadAll(part) // no more than v.body allows
	if err != nil {
		return v.readError(err)
	}
	if v.file.Fields == nil {
		v.file.Fields = make(url.Values)
	}
	v.file.Fields.Add(name, string(value))
	return nil
}

// receiveFile stores the content of the file, if its type is allowed.
func (v *receiver) receiveFile(part io.Reader) *Error {
	buf := make([]byte, bufferSize)
	n, err := v.fill(part, buf[:headSize])
	if err != nil && err != io.EOF {
		return v.readError(err)
	}
	v.file.Type = v.config.Detect(bytes.Clone(buf[:n]))
	if !allowed(v.config.Types, v.file.Type) {
		return wrongType(v.file.Type, v.config.Types)
	}
	if err := v.storage.open(); err != nil {
		return storageError(err)
	}
	for {
		if v.file.Size += int64(n); v.file.Size > v.config.MaxSize {
			return tooLarge(v.config.MaxSize)
		}
		if n > 0 {
			if _, err := v.storage.Write(buf[:n]); err != nil {
				return storageError(err)
			}
		}
		if err == io.EOF {
			return nil
		}
		if n, err = v.fill(part, buf); err != nil && err != io.EOF {
			return v.readError(err)
		}
	}
}

// fill reads content of the file until p is full. At the end, the error is [io.EOF].
func (v *receiver) fill(part io.Reader, p []byte) (n int, err error) {
	done := v.ctx.Err()
	for n < len(p) && err == nil {
		var m int
		m, err = part.Read(p[n:])
		n += m
		v.body.left += int64(m)
	}
	// If reading has failed, for example at the deadline, net/http cancels the context, but
	// what was read before is still buffered. The error of reading says more.
	if done != nil && (err == nil || err == io.EOF) {
		return 0, done
	}
	return n, err
}

// finish is called at the end of the form.
func (v *receiver) finish() *Error {
	if !v.found {
		return badRequest(fmt.Sprintf("the form has no file in field %q", v.config.Field), http.ErrMissingFile)
	}
	// The body may continue after the form, and may have been cut off there.
	if err := v.body.drain(); err != nil {
		return v.readError(err)
	}
	path, err := v.storage.keep()
	if err != nil {
		return storageError(err)
	}
	v.file.Path = path
	return nil
}

// readError returns the Error for an error of reading the form.
func (v *receiver) readError(err error) *Error {
	var maxBytes *http.MaxBytesError
	switch {
	case errors.Is(err, errOverhead):
		return &Error{http.StatusRequestEntityTooLarge, "the form is too large, not counting the file", jsonbody.ErrTooLarge}
	case errors.As(err, &maxBytes):
		return &Error{http.StatusRequestEntityTooLarge, "the request body is too large", errors.Join(jsonbody.ErrTooLarge, err)}
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return &Error{http.StatusRequestTimeout, "the upload did not arrive in time", err}
	}
	return badRequest("the form is malformed or incomplete", err)
}

func badRequest(message string, err error) *Error {
	return &Error{http.StatusBadRequest, message, err}
}

func tooLarge(limit int64) *Error {
	return &Error{http.StatusRequestEntityTooLarge, "the file is larger than " + sizeText(limit), jsonbody.ErrTooLarge}
}

// storageError returns the Error for a failure that is not the client's.
func storageError(err error) *Error {
	return &Error{http.StatusInternalServerError, "failed to store the file", err}
}

// sizeText returns a number of bytes in the largest unit that needs no fraction.
func sizeText(n int64) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

// A meteredBody is a body that limits the size of the form without the content of the file.
// As the receiver reads that content, it adds its length to left.
//
// If a body ends in the header of a part, the error of a multipart.Reader is [io.EOF], as at
// the end of a form. To its Read method, a meteredBody therefore ends with
// [io.ErrUnexpectedEOF]. Before that comes a line break, because the final boundary may have
// none, and the reader would need io.EOF to recognize it.
type meteredBody struct {
	body  io.Reader
	left  int64
	ended bool // the body
	added int  // bytes of lineBreak that Read has returned
}

const lineBreak = "\r\n"

var errOverhead = errors.New("the form is too large")

// Read implements [io.Reader].
func (b *meteredBody) Read(p []byte) (n int, err error) {
	if !b.ended {
		if n, err = b.read(p); n > 0 || err != nil || !b.ended {
			return n, err
		}
	}
	n = copy(p, lineBreak[b.added:])
	if b.added += n; n == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	return n, nil
}

// read reads from the body. At the end, it sets ended and returns no error.
func (b *meteredBody) read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errOverhead
	}
	n, err := b.body.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if err == io.EOF {
		b.ended, err = true, nil
	}
	return n, err
}

// drain reads the rest of the body.
func (b *meteredBody) drain() error {
	var buf [512]byte
	for !b.ended {
		if _, err := b.read(buf[:]); err != nil {
			return err
		}
	}
	return nil
}
