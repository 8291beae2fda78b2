package http_test

import (
	"fmt"
	"reflect"
	"regexp"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

// connCalls calls each method of a Conn.
var connCalls = map[string]func(c *http.Conn){
	"Close":                func(c *http.Conn) { c.Close() },
	"CloseNow":             func(c *http.Conn) { c.CloseNow() },
	"CloseWithMessage":     func(c *http.Conn) { c.CloseWithMessage(0, "") },
	"KeepAlive":            func(c *http.Conn) { c.KeepAlive(0, 0) },
	"LocalAddr":            func(c *http.Conn) { c.LocalAddr() },
	"NextReader":           func(c *http.Conn) { c.NextReader() },
	"NextWriter":           func(c *http.Conn) { c.NextWriter(0) },
	"ReadJSON":             func(c *http.Conn) { c.ReadJSON(nil) },
	"ReadMessage":          func(c *http.Conn) { c.ReadMessage() },
	"RemoteAddr":           func(c *http.Conn) { c.RemoteAddr() },
	"SetCloseTimeout":      func(c *http.Conn) { c.SetCloseTimeout(0) },
	"SetMaxMessageSize":    func(c *http.Conn) { c.SetMaxMessageSize(0) },
	"SetPingHandler":       func(c *http.Conn) { c.SetPingHandler(nil) },
	"SetPongHandler":       func(c *http.Conn) { c.SetPongHandler(nil) },
	"SetReadDeadline":      func(c *http.Conn) { c.SetReadDeadline(time.Time{}) },
	"SetWriteDeadline":     func(c *http.Conn) { c.SetWriteDeadline(time.Time{}) },
	"SetWriteTimeout":      func(c *http.Conn) { c.SetWriteTimeout(0) },
	"Subprotocol":          func(c *http.Conn) { c.Subprotocol() },
	"WriteEvent":           func(c *http.Conn) { c.WriteEvent(http.Event{}) },
	"WriteJSON":            func(c *http.Conn) { c.WriteJSON(make(chan int)) },
	"WriteMessage":         func(c *http.Conn) { c.WriteMessage(0, nil) },
	"WritePing":            func(c *http.Conn) { c.WritePing(make([]byte, 126)) },
	"WritePong":            func(c *http.Conn) { c.WritePong(make([]byte, 126)) },
	"WritePreparedMessage": func(c *http.Conn) { c.WritePreparedMessage(nil) },
}

// panicOf returns the text of the panic of f.
func panicOf(f func()) (text string) {
	defer func() { text = fmt.Sprint(recover()) }()
	f()
	return ""
}

func TestConnWithoutDialOrUpgradePanics(t *testing.T) {
	t.Parallel()
	want := regexp.MustCompile(`^http: .*/websocket_zero_test\.go:\d+: Conn used without Dial or Upgrade; check the error that they return$`)
	for method := range reflect.TypeFor[*http.Conn]().Methods() {
		call := connCalls[method.Name]
		if call == nil {
			t.Errorf("connCalls lacks the method %s", method.Name)
			continue
		}
		for name, c := range map[string]*http.Conn{"zero": new(http.Conn), "nil": nil} {
			if got := panicOf(func() { call(c) }); !want.MatchString(got) {
				t.Errorf("%s on a %s Conn panics with %q, want %s", method.Name, name, got, want)
			}
		}
	}
}

func TestPreparedMessageWithoutConstructorPanics(t *testing.T) {
	t.Parallel()
	server, _ := wsPair(t, &http.Upgrader{}, nil)
	want := regexp.MustCompile(`^http: .*/websocket_zero_test\.go:\d+: PreparedMessage used without NewPreparedMessage$`)
	for name, m := range map[string]*http.PreparedMessage{"zero": new(http.PreparedMessage), "nil": nil} {
		if got := panicOf(func() { server.WritePreparedMessage(m) }); !want.MatchString(got) {
			t.Errorf("writing a %s PreparedMessage panics with %q, want %s", name, got, want)
		}
	}
	if err := server.WriteMessage(http.TextMessage, []byte("the connection is still usable")); err != nil {
		t.Error(err)
	}
}
