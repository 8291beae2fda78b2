package reqstate_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/reqstate"
)

func TestStateCancelsWithItsParentWithoutAGoroutine(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	r := new(reqstate.State).Begin(httptest.NewRequest("GET", "/", nil).WithContext(ctx))
	child, stop := context.WithCancel(r.Context())
	defer stop()
	cancel()
	// Only a child that hangs on the parent itself is cancelled by now.
	if child.Err() == nil {
		t.Error("a context below the State is not cancelled together with its parent")
	}
}

func TestLoggerIsMadeOnceWithTheRequestID(t *testing.T) {
	t.Parallel()
	s := new(reqstate.State)
	s.Begin(httptest.NewRequest("GET", "/", nil))
	if s.Logger() != nil {
		t.Fatal("a State without SetLogger has a logger")
	}
	var out bytes.Buffer
	s.SetLogger(slog.New(slog.NewTextHandler(&out, nil)))
	id := "r-1"
	s.SetID(id)
	if first, second := s.Logger(), s.Logger(); first != second {
		t.Error("Logger makes a new logger each time")
	}
	s.Logger().Info("hello")
	if !strings.Contains(out.String(), "request_id=r-1") {
		t.Errorf("logged %q", out.String())
	}
}
