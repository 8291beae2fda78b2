// Package csvbody writes CSV (RFC 4180) as a response.
//
// The default format of the rows is that of [encoding/csv.Writer], with two
// differences for rows that common readers would skip. A row of one empty cell is
// written as "" instead of a blank line. A first cell that starts with # is quoted,
// because many readers can be configured to treat such a line as a comment.
package csvbody

import (
	"iter"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/header"
	"github.com/stanza-go/framework/pkg/http/internal/response"
)

// Respond writes a CSV file for download, named after entity and the current day. It
// writes the column names, if there are any, and then the rows that next returns until it
// returns nil. It flushes at least once a second while rows arrive. If the client
// disconnects, Respond does not call next again.
func Respond(w http.ResponseWriter, entity string, columns []string, next func() []string) {
	f := begin(w, entity, columns, Format{})
	defer f.pace.timer.Stop()
	for row := next(); row != nil; row = next() {
		if !f.add(row) {
			return
		}
	}
	f.end()
}

// Stream is like [Respond], but writes the rows of a sequence, in a format that may begin
// with a byte order mark.
//
// If the client disconnects, Stream stops the sequence and returns nil. If the sequence
// yields an error, Stream stops it and returns the error. begun then reports whether a part
// of the file was written; if not, the response is unchanged.
func Stream(w http.ResponseWriter, entity string, columns []string, rows iter.Seq2[[]string, error], format Format) (begun bool, err error) {
	f := begin(w, entity, columns, format)
	defer f.pace.timer.Stop()
	for row, err := range rows {
		if err != nil {
			return f.body.headerSet, err
		}
		if !f.add(row) {
			return true, nil
		}
	}
	f.end()
	return true, nil
}

// A file is a CSV file that is being written.
type file struct {
	body body
	rows rowWriter
	pace pace
}

// begin returns a file to which the column names have been written. The caller must stop
// the timer of its pace.
func begin(w http.ResponseWriter, entity string, columns []string, format Format) *file {
	now := time.Now()
	f := &file{body: body{w: w, disposition: disposition(entity, now)}}
	f.rows.init(&f.body, format)
	if len(columns) > 0 {
		_ = f.rows.write(columns) // the next write returns the same error
	}
	f.pace.start(now)
	return f
}

// add writes a row, and flushes if that is due. It returns false if the client has
// disconnected.
func (f *file) add(row []string) bool {
	if f.rows.write(row) != nil {
		return false
	}
	if f.pace.awake.Load() && f.pace.flushDue() {
		_ = f.rows.flush()                               // the next write returns the same error
		_ = http.NewResponseController(f.body.w).Flush() // not supported, or the next write fails too
		f.pace.restart()
	}
	return true
}

// end completes the file.
func (f *file) end() {
	f.rows.writeMark() // if there are neither columns nor rows
	_ = f.rows.flush() // on an error, the client has disconnected
	f.body.setHeader()
}

// disposition returns the Content-Disposition of a download named after entity and
// the day of now in UTC, for example users-20260322.csv.
func disposition(entity string, now time.Time) string {
	return header.Attachment(entity, now.UTC().Format("-20060102.csv"))
}

// A body sets the header fields of a CSV response when the first bytes are written.
// A panic before that leaves the response unchanged.
type body struct {
	w           http.ResponseWriter
	disposition string
	headerSet   bool
}

// Write writes a part of the file.
func (b *body) Write(p []byte) (int, error) {
	b.setHeader()
	return b.w.Write(p)
}

// setHeader sets the header fields on its first call.
func (b *body) setHeader() {
	if b.headerSet {
		return
	}
	b.headerSet = true
	delete(b.w.Header(), "Content-Length")
	response.SetHeaders(b.w,
		response.Field{Name: "Content-Type", Value: "text/csv; charset=utf-8"},
		response.Field{Name: "Content-Disposition", Value: b.disposition})
}

// flushInterval is the time between flushes while rows arrive.
const flushInterval = time.Second

// wakeInterval is the time after a flush at which a pace starts to read the clock
// for each row. It is shorter than flushInterval, because a timer of that length
// would fire at the same time as a row that arrives every second.
const wakeInterval = 900 * time.Millisecond

// A pace determines when to flush. Its timer makes it unnecessary to read the clock
// for each row.
type pace struct {
	flushed time.Time   // time of the last flush
	awake   atomic.Bool // wakeInterval has passed since then
	timer   *time.Timer
}

// start lets p count from now. The caller must stop the timer.
func (p *pace) start(now time.Time) {
	p.flushed = now
	p.timer = time.AfterFunc(wakeInterval, p.wake)
}

// wake is called by the timer.
func (p *pace) wake() { p.awake.Store(true) }

// flushDue reports whether to flush now. If so, the caller must flush and then
// call restart. It must be called only if p is awake.
func (p *pace) flushDue() bool {
	now := time.Now()
	if now.Sub(p.flushed) < flushInterval {
		return false
	}
	p.flushed = now
	return true
}

// restart starts the timer for the next flush.
func (p *pace) restart() {
	p.awake.Store(false)
	p.timer.Reset(wakeInterval)
}
