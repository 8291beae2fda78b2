package websocket

import (
	"compress/flate"
	"errors"
	"io"
	"strings"

	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

// check compares the results of a play with the model.
func (p *play) check() {
	p.checkRead(<-p.reading)
	p.checkFrames(<-p.received, <-p.written)
	for range 2 {
		if _, _, err := p.c.ReadMessage(); err != p.readErr {
			p.t.Errorf("reading ended with %v, and later with %v", p.readErr, err)
		}
		if _, _, err := p.c.NextMessage(); err != p.readErr {
			p.t.Errorf("reading ended with %v, and later with %v", p.readErr, err)
		}
	}
}

// checkRead checks that the reader has read the messages of the peer in order,
// and that reading ended with the right error.
func (p *play) checkRead(got []string) {
	for i, message := range got {
		prefix, skipped := strings.CutSuffix(message, "...")
		if i >= len(p.messages) {
			// The reader may have read the start of the invalid message.
			if !skipped || i > len(p.messages) {
				p.t.Errorf("read message %d, %.60q, which was not sent", i, message)
			}
		} else if want := p.messages[i]; message != want && !(skipped && strings.HasPrefix(want, prefix)) {
			p.t.Errorf("read message %d as %.60q, want %.60q", i, message, want)
		}
	}
	if p.lossy {
		return
	}
	if len(got) < len(p.messages) {
		p.t.Errorf("read %d messages of %d, and then %v", len(got), len(p.messages), p.readErr)
	}
	var closed *closeError
	if !errors.As(p.readErr, &closed) || closed.code != p.end {
		p.t.Errorf("reading ended with %v, want a close error of %d", p.readErr, p.end)
	}
	if failed := errors.As(p.readErr, new(*failure)); failed != p.fault {
		p.t.Errorf("reading ended with %#v; a fault of the peer: %v", p.readErr, p.fault)
	}
}

// checkFrames checks the frames that the Conn has sent.
func (p *play) checkFrames(frames []frameAndPayload, outcomes []outcome) {
	var message, window []byte
	var messages []string
	pings, compressed := p.pings, false
	for i, f := range frames {
		switch f.Opcode {
		case frame.Close:
			if i < len(frames)-1 {
				p.t.Errorf("frame after the close frame: %+v", frames[i+1])
			}
			if code, _, err := frame.ParseClose([]byte(f.payload)); err != nil || !p.lossy && code != p.end {
				p.t.Errorf("closed with %d, %v; want %d", code, err, p.end)
			}
		case frame.Pong:
			for len(pings) > 0 && pings[0] != f.payload {
				pings = pings[1:]
			}
			if len(pings) == 0 {
				p.t.Errorf("pong %q does not answer a ping", f.payload)
				return
			}
			pings = pings[1:]
		case frame.Ping:
		default:
			compressed = compressed && f.Opcode == frame.Continuation || f.Compressed
			if message = append(message, f.payload...); f.Fin {
				if compressed {
					message = p.inflate(message, window)
					window = append(window, message...)
				}
				messages = append(messages, string(message))
				message, compressed = nil, false
			}
		}
	}
	if last := len(frames) - 1; !p.lossy && (last < 0 || frames[last].Opcode != frame.Close) {
		p.t.Errorf("the last of %d frames is not a close frame", len(frames))
	}
	p.checkWritten(messages, outcomes)
}

// checkWritten checks that the messages that were written without an error have
// arrived. A message whose write returned an error may have arrived too.
func (p *play) checkWritten(messages []string, outcomes []outcome) {
	for _, o := range outcomes {
		switch {
		case o.message == "" && o.err == nil && (len(messages) == 0 || messages[0] != ""):
			// Pings have no message.
		case o.err == nil && (len(messages) == 0 || messages[0] != o.message):
			p.t.Errorf("%.40q was sent but did not arrive; %d messages did", o.message, len(messages))
			return
		case len(messages) > 0 && messages[0] == o.message:
			messages = messages[1:]
		}
	}
	if len(messages) > 0 {
		p.t.Errorf("%d messages arrived that were not sent, the first %.40q", len(messages), messages[0])
	}
}

// inflate decompresses a message from the Conn.
func (p *play) inflate(message, window []byte) []byte {
	stream := io.MultiReader(strings.NewReader(string(message)), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff"))
	out, err := io.ReadAll(flate.NewReaderDict(stream, window))
	if err != nil {
		p.t.Errorf("the peer cannot decompress: %v", err)
	}
	return out
}
