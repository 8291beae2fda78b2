package eventstream_test

import (
	"errors"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/eventstream"
)

func TestAppendEvent(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ id, name, data, want string }{
		{"", "", "", "data: \n\n"},
		{"1.a", "chat", "a\nb\r\nc\rd", "id: 1.a\nevent: chat\ndata: a\ndata: b\ndata: c\ndata: d\n\n"},
		{"", "x", "1", "event: x\ndata: 1\n\n"},
	} {
		got, err := eventstream.AppendEvent(nil, tt.id, tt.name, tt.data)
		if err != nil || string(got) != tt.want {
			t.Errorf("%+v: %q, %v", tt, got, err)
		}
	}
	for _, bad := range [][3]string{{"a\nb", "", ""}, {"", "a\rb", ""}, {"", "a\x00", ""}, {"", "", "\xff"}, {"", "\xff", ""}} {
		if _, err := eventstream.AppendEvent(nil, bad[0], bad[1], bad[2]); !errors.Is(err, eventstream.ErrInvalidEvent) {
			t.Errorf("%q: %v, want ErrInvalidEvent", bad, err)
		}
	}
}

func TestAppendRetryAndID(t *testing.T) {
	t.Parallel()
	b, err := eventstream.AppendID(eventstream.AppendRetry(nil, 1500), "")
	if err != nil || string(b) != "retry: 1500\nid:\n" {
		t.Errorf("%q, %v", b, err)
	}
}
