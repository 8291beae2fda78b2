package websocket_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
)

// patience is the time limit of each step of a scenario.
const patience = 30 * time.Second

// A scenario is a conversation between two ends of a connection. The active end
// starts. The passive end echoes every message, and checks how the connection
// ends.
type scenario struct {
	name        string // also the path of the URL
	compression compression
	byServer    bool // the server is the active end
	active      func(session) error
	fragments   bool  // the passive end echoes in fragments
	ending      error // error of the passive end; nil if there is no close frame
}

var (
	finished  = closed{1000, ""}
	clientBye = closed{4000, "client says bye"}
	serverBye = closed{4001, "server says bye: жаль"}
)

// scenarios returns the columns of the matrix.
func scenarios() []scenario {
	return []scenario{
		{name: "text", active: exchange(textMessage, words()), ending: finished},
		{name: "binary", active: exchange(binaryMessage, blobs()), ending: finished},
		{name: "empty", active: exchangeEmpty, ending: finished},
		{name: "16MiB", active: exchange(binaryMessage, [][]byte{pattern(16 << 20)}), ending: finished},
		{name: "fragments", active: exchangeFragments, fragments: true, ending: finished},
		{name: "deflate", compression: noTakeover, active: exchange(textMessage, chat()), ending: finished},
		{name: "deflate-context", compression: takeover, active: exchange(textMessage, chat()), ending: finished},
		{name: "ping-by-client", active: ping, ending: finished},
		{name: "ping-by-server", active: ping, byServer: true, ending: finished},
		{name: "client-closes", active: say(clientBye), ending: clientBye},
		{name: "server-closes", active: say(serverBye), byServer: true, ending: serverBye},
		{name: "client-dies", active: die},
		{name: "server-dies", active: die, byServer: true},
	}
}

// half returns the function that plays one end.
func (sc scenario) half(server bool) func(session) error {
	if server == sc.byServer {
		return sc.active
	}
	return sc.passive
}

// passive echoes messages until the connection ends.
func (sc scenario) passive(s session) error {
	for {
		op, payload, err := s.read()
		if err != nil {
			return sc.judge(err)
		}
		if sc.fragments {
			err = s.writeFragments(op, cut(payload)...)
		} else {
			err = s.write(op, payload)
		}
		if err != nil {
			return fmt.Errorf("answering: %w", err)
		}
	}
}

// judge checks how the connection of a passive end has ended.
func (sc scenario) judge(err error) error {
	c, closedByFrame := errors.AsType[closed](err)
	switch {
	case sc.ending == nil && closedByFrame:
		return fmt.Errorf("a killed peer has sent a close frame: %w", err)
	case sc.ending != nil && (!closedByFrame || c != sc.ending):
		return fmt.Errorf("ended with %w, want %w", err, sc.ending)
	}
	return nil
}

// exchange sends messages, each after the reply to the previous one, and
// closes.
func exchange(op int, messages [][]byte) func(session) error {
	return func(s session) error {
		for _, message := range messages {
			if err := s.write(op, message); err != nil {
				return err
			}
			if err := expect(s, op, message); err != nil {
				return err
			}
		}
		return s.close(finished.code, finished.reason)
	}
}

// expect reads the reply to a message.
func expect(s session, op int, message []byte) error {
	gotOp, got, err := s.read()
	if err != nil {
		return fmt.Errorf("instead of the answer to %d bytes: %w", len(message), err)
	}
	if gotOp != op || !bytes.Equal(got, message) {
		return fmt.Errorf("the answer to %d bytes of type %d is %d others of type %d", len(message), op, len(got), gotOp)
	}
	return nil
}

func exchangeEmpty(s session) error {
	for _, op := range []int{textMessage, binaryMessage} {
		if err := errors.Join(s.write(op, nil), expect(s, op, nil)); err != nil {
			return err
		}
	}
	return s.close(finished.code, finished.reason)
}

func exchangeFragments(s session) error {
	// Cut in the middle of characters.
	message := []byte(strings.Repeat("дом 世界 ", 30000))
	if err := s.writeFragments(textMessage, cut(message)...); err != nil {
		return err
	}
	if err := expect(s, textMessage, message); err != nil {
		return err
	}
	return s.close(finished.code, finished.reason)
}

// ping sends a ping between two messages, and waits for the pong.
func ping(s session) error {
	for range 3 {
		if err := s.ping(); err != nil {
			return err
		}
		if err := errors.Join(s.write(textMessage, []byte("after the ping")), expect(s, textMessage, []byte("after the ping"))); err != nil {
			return err
		}
	}
	if err := s.ponged(); err != nil {
		return err
	}
	return s.close(finished.code, finished.reason)
}

// say exchanges a message and closes.
func say(bye closed) func(session) error {
	return func(s session) error {
		if err := errors.Join(s.write(textMessage, []byte("hello")), expect(s, textMessage, []byte("hello"))); err != nil {
			return err
		}
		return s.close(bye.code, bye.reason)
	}
}

// die exchanges a message and kills the connection.
func die(s session) error {
	if err := errors.Join(s.write(textMessage, []byte("hello")), expect(s, textMessage, []byte("hello"))); err != nil {
		return err
	}
	return s.kill()
}

// awaitClose reads the reply to a close frame, for implementations that leave
// that to their users.
func awaitClose(s session, code int) error {
	_, _, err := s.read()
	if c, ok := errors.AsType[closed](err); !ok || c.code != code {
		return fmt.Errorf("answer to the close frame with code %d: %w", code, err)
	}
	return nil
}

// words returns text messages.
func words() [][]byte {
	return [][]byte{[]byte("a"), []byte("Grüße, 世界 🌍"), []byte(strings.Repeat("дом ", 20000))}
}

// blobs returns messages of sizes around those at which the frame header grows.
func blobs() (all [][]byte) {
	for _, size := range []int{1, 125, 126, 127, 4095, 4096, 65535, 65536, 200000} {
		all = append(all, pattern(size))
	}
	return all
}

// chat returns messages that compress well, and some that do not.
func chat() (all [][]byte) {
	for i := range 30 {
		all = append(all, []byte(strings.Repeat(fmt.Sprintf(`{"type":"message","number":%d},`, i), i*i)))
	}
	return append(all, []byte("short"), []byte(strings.Repeat("long ", 200000)))
}

// pattern returns bytes without a short period.
func pattern(size int) []byte {
	p := make([]byte, size)
	for i := range p {
		p[i] = byte(i*7 + i>>8*13 + i>>16)
	}
	return p
}

// cut splits a message into parts of growing size.
func cut(message []byte) (parts [][]byte) {
	for size := 1; len(message) > size; size = size*2 + 1 {
		parts, message = append(parts, message[:size]), message[size:]
	}
	return append(parts, message)
}
