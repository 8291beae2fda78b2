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
// writes the byte order mark, if the format has one, the column names, if there are
// any, and then the rows. It flushes at least once a second while rows arrive.
//
// If the client disconnects, Respond stops the sequence of rows and returns nil. If
// the sequence yields an error, Respond stops it and returns the error. begun then
// reports whether a part of the file was written; if not, the response is unchanged.
func Respond(w http.ResponseWriter, entity string, columns []string, rows iter.Seq2[[]string, error], f Format) (begun bool, err error) {
	now := time.Now()
	out := &body{w: w, disposition: disposition(entity, now)}
	file := newRowWriter(out, f)
	if len(columns) > 0 {
		_ = file.write(columns) // the next write returns the same error
	}
	pace := newPace(now)
	defer pace.timer.Stop()
	for row, err := range rows {
		if err != nil {
			return out.headerSet, err
		}
		if file.write(row) != nil {
			return true, nil // the client has disconnected
		}
		if pace.awake.Load() && pace.flushDue() {
			_ = file.flush()                          // the next write returns the same error
			_ = http.NewResponseController(w).Flush() // not supported, or the next write fails too
			pace.restart()
		}
	}
	file.writeMark() // if there are neither columns nor rows
	_ = file.flush() // on an error, the client has disconnected
	out.setHeader()
	return true, nil
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

// newPace returns a pace that counts from now. The caller must stop its timer.
func newPace(now time.Time) *pace {
	p := &pace{flushed: now}
	p.timer = time.AfterFunc(wakeInterval, p.wake)
	return p
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
