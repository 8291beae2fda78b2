package websocket

import (
	"fmt"
	"io"

	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

// readFailed returns the error of a failed network read. It ends reading,
// unless the error is the user's read deadline, after which reading can
// continue.
func (c *Conn) readFailed(err error) error {
	switch {
	case c.endsClose(err):
		c.in.networkErr = err
		c.in.err = c.closing.reason()
	case isTimeout(err):
		return fmt.Errorf("websocket: read: %w", err)
	case err == io.EOF:
		c.in.err = c.closeError(codeAbnormal, "connection lost", io.ErrUnexpectedEOF)
	default:
		c.in.err = c.closeError(codeAbnormal, "connection lost", err)
	}
	c.closing.end()
	return c.in.err
}

// endsClose reports whether the error of a read ends the closing handshake.
// While a reading method is still under way in phaseClosing, the error may be
// the user's read deadline instead of the deadline of Close.
func (c *Conn) endsClose(err error) bool {
	return c.closing.reached(phaseAwaiting) ||
		c.closing.reached(phaseClosing) && (!isTimeout(err) || c.deadlines.closeExpired())
}

// failProtocol fails the connection because the peer violated the protocol. The
// error must be a [*frame.Error].
func (c *Conn) failProtocol(err error) error {
	violation := err.(*frame.Error)
	return c.fail(violation.Code, violation.Reason, fmt.Errorf("websocket: protocol violation: %w", err))
}

// fail fails the connection because of err, an error of the peer. It sends the
// peer a close frame with the code and reason.
func (c *Conn) fail(code int, reason string, err error) error {
	return c.endReading(code, reason, &failure{err, c.closeError(code, reason, nil)})
}

// endReading ends reading with err and sends a close frame.
func (c *Conn) endReading(code int, reason string, err error) error {
	c.in.err = err
	c.deadlines.beginReply()
	_ = c.sendClose(code, reason) // err is the reason, even if the network has failed
	return err
}

// A failure is the error of a connection that this end has failed.
type failure struct {
	err        error // of the peer
	closeError error // for the close frame that was sent, made by Config.CloseError
}

// Error returns the text of the peer's error.
func (f *failure) Error() string { return f.err.Error() }

// Unwrap returns both errors.
func (f *failure) Unwrap() []error { return []error{f.err, f.closeError} }
