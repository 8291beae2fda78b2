package http

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/callsite"
	"github.com/stanza-go/framework/pkg/http/internal/jsonbody"
	"github.com/stanza-go/framework/pkg/http/internal/response"
	"github.com/stanza-go/framework/pkg/http/internal/upload"
)

// UploadConfig configures [BindUpload] and [ReadUpload]. Exactly one of Path, Dir and Writer
// is required.
type UploadConfig struct {
	// Path is the file to create. If it exists, it is replaced when the upload is complete,
	// and keeps its content if the upload fails. If Path is a symbolic link, the link is
	// replaced. The directory must exist.
	Path string

	// Dir is the directory in which a file with a new, random name is created. See
	// [Upload].Path for the name. The directory must exist.
	Dir string

	// Writer receives the content of the file in pieces of up to 32 KiB, after the type has
	// been checked. It may receive up to MaxSize bytes of an upload that then fails, so the
	// caller must discard them if there is an error.
	Writer io.Writer

	// Field is the name of the form field that contains the file. It is case-sensitive. If
	// empty, "file" is used.
	Field string

	// MaxSize is the maximum size of the file in bytes. If zero, 32 MiB (33554432) is used.
	MaxSize int64

	// Types lists the media types that the content can have. An entry is a type without
	// parameters, for example "image/png", or a pattern for all subtypes, for example
	// "image/*". If empty, all types are allowed.
	//
	// Types are compared with the result of Detect, so list only types that it returns. For
	// example, without Detect, the type of JSON and CSV files is text/plain, that of SVG
	// images is text/xml or text/plain, and that of Office documents is application/zip.
	Types []string

	// Detect returns the media type of a file. head is the first 512 bytes of the content,
	// or all of it if the file is shorter. If nil, [DetectContentType] is used.
	Detect func(head []byte) string

	// Timeout is the maximum time for receiving the request's body, measured from the
	// call to BindUpload. It replaces the server's read timeout (see [WithReadTimeout])
	// and that of a [Timeout] middleware. If zero, the time that MaxSize bytes take at
	// 64 KiB/s is used, but at least a minute. For the default MaxSize, this is
	// 8 minutes and 32 seconds.
	Timeout time.Duration

	// Mode contains the permission bits of the file, which the umask does not change. If
	// zero, 0o600 is used: only the owner can read and write the file. It must not be set
	// with Writer.
	Mode fs.FileMode

	// Sync makes BindUpload wait until the file and its name are on disk, so that they
	// survive a crash of the system. It must not be set with Writer.
	Sync bool
}

// An Upload describes a file that has been received; see [BindUpload].
type Upload struct {
	// Name is the name of the file on the client's system, without directories, or "file"
	// if nothing remains. Use it for display and as the name of a download. Characters that
	// are unsafe in file names are replaced with underscores, and the name is cut to 200
	// bytes. It is untrusted, so do not use it as a path: it could be the name of another
	// file, and its extension may not match the content.
	Name string

	// Type is the media type that was detected from the content, for example "image/png"
	// or "text/plain; charset=utf-8". The type that the client declares is ignored.
	Type string

	// Size is the size of the file in bytes. It can be 0.
	Size int64

	// Path is the path of the stored file, or "" if the content went to a Writer. If
	// UploadConfig.Dir was set, the name consists of 26 random letters and digits, without
	// an extension.
	Path string

	// Fields contains the other fields of the form, whether they come before or after the
	// file. It is nil if there are none.
	Fields url.Values
}

// BindUpload receives a file from a multipart form (RFC 7578), for example from an HTML form
// with the attribute enctype="multipart/form-data", and stores it. If it fails, it responds
// with an error and returns false; the handler must then return without writing a response.
// For example:
//
//	upload, ok := http.BindUpload(w, r, http.UploadConfig{
//		Dir:     "uploads",
//		Field:   "avatar",
//		MaxSize: 5 << 20,
//		Types:   []string{"image/png", "image/jpeg"},
//	})
//	if !ok {
//		return
//	}
//
// The file is written as it arrives and is never held in memory as a whole. The form must
// contain exactly one file, in the field [UploadConfig].Field. Other fields are returned in
// [Upload].Fields. If the upload succeeds, BindUpload has read the whole body.
//
// # Failures
//
// BindUpload stores the content in a file whose name begins with ".upload-", in the target
// directory, and renames it when the upload is complete. If the upload fails, for example
// because the client disconnects or the disk is full, it removes the file. Such a file can
// remain only if the process is killed or the system crashes.
//
// The statuses are those in the table of [ReadUpload]. Errors with status 500 are logged as by
// [WriteServerError]. If part of the body is unread, an HTTP/1 connection is closed after the
// response. If the Content-Length shows that the file is too large, BindUpload does not read
// the body, so a client that waits for 100 Continue does not send it.
//
// # Limits
//
// The form can have at most 1,000 parts. The content of the other fields and the headers of
// all parts can take at most 1 MiB in total. [MaxBody] does not apply, but a [MaxBytesReader]
// does.
//
// The server's read and write timeouts are too short for large files. BindUpload replaces them:
// it allows [UploadConfig].Timeout for the body, and afterwards as much time for the response as
// the server's write timeout, but at least 10 seconds. The deadline of the request's context
// still applies. If middleware wraps the ResponseWriter in a type without an Unwrap method,
// BindUpload cannot replace the timeouts. If an upload fails for this reason, it logs a
// warning.
//
// # Security
//
// The type is detected from the first 512 bytes of the content. A file can begin like an image
// and contain anything after that, so serve uploads with the type in [Upload].Type and the
// header X-Content-Type-Options: nosniff, which [SecureHeaders] sets. Serve HTML pages, SVG
// images and scripts that users have uploaded only from another origin. BindUpload does not
// scan for malware.
//
// BindUpload does not limit how many uploads are received at once; see [Throttle].
//
// BindUpload panics if config is invalid.
func BindUpload(w ResponseWriter, r *Request, config UploadConfig) (file Upload, ok bool) {
	file, err := receiveUpload(w, r, &config)
	switch {
	case err == nil:
		return file, true
	case err.Status >= StatusInternalServerError:
		WriteServerError(w, r, err.Message, err.Err)
	default:
		if errors.Is(err, ErrNotSupported) {
			LoggerFromContext(r.Context()).WarnContext(r.Context(), "http: an upload failed because BindUpload cannot replace the "+
				"server's timeouts; add an Unwrap method to the ResponseWriter of the middleware", slog.Any("error", err.Err))
		}
		WriteError(w, err.Status, err.Message)
	}
	return Upload{}, false
}

// ReadUpload is like [BindUpload], but returns an error instead of responding. The error is
// always a [*StatusError], with the status and the message that BindUpload would send. Its Err
// is the cause, or nil:
//
//	Cause                   Status  Problem
//	ErrNotMultipart         415     the body is not a multipart form
//	ErrMissingBoundary      400     the Content-Type has no boundary parameter
//	ErrMissingFile          400     there is no file in the field, or one in another field
//	ErrBodyTooLarge         413     the file or the rest of the form is too large
//	os.ErrDeadlineExceeded  408     the body has not arrived in time
//	nil                     415     the type of the file is not allowed
//	nil                     400     the form has several files, too many parts, or a
//	                                part without a name
//	any other               400     the form is malformed or incomplete
//	any other               500     the file could not be stored, for example because
//	                                the disk is full, or other code has read the form
func ReadUpload(w ResponseWriter, r *Request, config UploadConfig) (Upload, error) {
	file, err := receiveUpload(w, r, &config)
	if err != nil {
		return Upload{}, err
	}
	return file, nil
}

// receiveUpload receives a file and, if the body has not been read, makes the server close
// the connection.
func receiveUpload(w ResponseWriter, r *Request, config *UploadConfig) (Upload, *StatusError) {
	config.check()
	maxSize := cmp.Or(config.MaxSize, defaultMaxSize)
	limitErr := response.LimitBody(w, r, time.Now().Add(cmp.Or(config.Timeout, uploadTime(maxSize))), responseTime)
	received := false
	defer func() {
		if !received { // Detect or Writer panics
			leaveBody(w, r, limitErr == nil)
		}
	}()
	file, complete, err := upload.Receive(r, &upload.Config{
		Field:   cmp.Or(config.Field, "file"),
		MaxSize: maxSize,
		Types:   config.Types,
		Detect:  config.detector(),
		Target:  upload.Target{Path: config.Path, Dir: config.Dir, Writer: config.Writer, Mode: config.Mode, Sync: config.Sync},
	})
	received = true
	late := err != nil && err.Status == StatusRequestTimeout
	if late {
		err.Err = errors.Join(err.Err, limitErr)
	}
	switch replaced := limitErr == nil && !late; {
	case !complete:
		leaveBody(w, r, replaced)
	case replaced:
		_ = response.SetBodyDeadline(w, time.Time{}) // fails only if the connection has failed
	}
	if err == nil {
		return Upload(file), nil
	}
	return Upload{}, (*StatusError)(err)
}

// leaveBody leaves the rest of the body unread. If replaced is set, the server's read
// deadline has been replaced.
func leaveBody(w ResponseWriter, r *Request, replaced bool) {
	jsonbody.CloseAfterResponse(w, r)
	if replaced {
		// net/http waits for the rest if it is short.
		_ = response.SetBodyDeadline(w, time.Now().Add(restTime)) // fails only if the connection has failed
	}
}

// defaultMaxSize is the default of UploadConfig.MaxSize.
const defaultMaxSize = 32 << 20

// restTime is how long the rest of a body that was refused may take. The client may not read
// the response before it has sent the body.
const restTime = 5 * time.Second

// uploadTime returns the default of UploadConfig.Timeout.
func uploadTime(size int64) time.Duration {
	const rate = 64 << 10 // bytes per second
	seconds := min(size/rate, int64(math.MaxInt64/time.Second))
	return max(time.Minute, time.Duration(seconds)*time.Second)
}

// detector returns the function that detects the type.
func (c *UploadConfig) detector() func(head []byte) string {
	if c.Detect != nil {
		return c.Detect
	}
	return http.DetectContentType
}

// check panics if the configuration is invalid.
func (c *UploadConfig) check() {
	var wrong callsite.FieldErrors
	targets := 0
	for _, set := range []bool{c.Path != "", c.Dir != "", c.Writer != nil} {
		if set {
			targets++
		}
	}
	if targets != 1 {
		wrong.Addf("Path", "exactly one of Path, Dir and Writer must be set; %d are", targets)
	}
	if c.MaxSize < 0 {
		wrong.Addf("MaxSize", "%d is negative", c.MaxSize)
	}
	for _, t := range c.Types {
		if !upload.ValidType(t) {
			wrong.Addf("Types", "%q is not a media type without parameters, such as image/png or image/*", t)
		}
	}
	if c.Timeout < 0 {
		wrong.Addf("Timeout", "%v is negative", c.Timeout)
	}
	switch {
	case c.Mode&^fs.ModePerm != 0:
		wrong.Addf("Mode", "%v has bits other than permissions", c.Mode)
	case c.Mode != 0 && c.Writer != nil:
		wrong.Addf("Mode", "has no effect with Writer")
	}
	if c.Sync && c.Writer != nil {
		wrong.Addf("Sync", "has no effect with Writer")
	}
	wrong.PanicIfAny("UploadConfig")
}
