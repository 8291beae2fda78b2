package http_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

func TestConfigPanicsNameEveryWrongField(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		make func()
		want []string // all of them, in this order
	}{
		"Compress": {
			func() {
				http.Compress(http.CompressConfig{
					Level: 10, MinSize: -1, ContentTypes: []string{"*", "text/", "*/*"},
					Encoders: []http.CompressEncoder{{Name: "identity"}, {Name: "br"}},
				})
			},
			[]string{"Level: 10", "MinSize: -1", `ContentTypes[0]: "*"`, `ContentTypes[2]: "*/*"`,
				`Encoders[0].Name: "identity"`, "Encoders[0].New: nil", "Encoders[1].New: nil"},
		},
		"SecureHeaders": {
			func() {
				http.SecureHeaders(http.SecureHeadersConfig{
					FrameOptions: "ALLOW", ReferrerPolicy: "a\r\nb", HSTSMaxAge: 60, HSTSPreload: true,
				})
			},
			[]string{`FrameOptions: "ALLOW"`, `ReferrerPolicy: "a\r\nb"`, "HSTSPreload: ", "HSTSPreload: "},
		},
		"CORS": {
			func() {
				http.CORS(http.CORSConfig{
					AllowOrigins: []string{"https://a.example", "b.example", "*"},
					AllowMethods: []string{"get", "*"}, AllowHeaders: []string{"X-A", "X B"}, ExposeHeaders: []string{"Set-Cookie"},
					AllowCredentials: true, AllowOriginFunc: func(*http.Request, string) bool { return true },
				})
			},
			[]string{`AllowOrigins[1]: origin "b.example"`, `AllowOrigins[2]: "*"`, "AllowOriginFunc: ", `AllowMethods[0]: "get"`, "AllowMethods[1]: ",
				`AllowHeaders[1]: "X B"`, `ExposeHeaders[0]: "Set-Cookie"`},
		},
		"RateLimit": {
			func() {
				http.RateLimit(http.RateLimitConfig{
					Limit: -1, Window: -time.Second, MaxKeys: -2, StoreTimeout: time.Second, LocalFallback: true,
				})
			},
			[]string{"Limit: -1", "Window: -1s", "MaxKeys: -2", "StoreTimeout: ", "LocalFallback: "},
		},
		"Throttle": {
			func() {
				http.Throttle(http.ThrottleConfig{Limit: -1, Backlog: -2, Wait: -time.Second, Name: "reports"})
			},
			[]string{"Limit: -1 is not positive", "Backlog: -2 is negative", "Wait: -1s is negative", "Name: has no effect without Metrics"},
		},
		"Timeout": {
			func() { http.Timeout(http.TimeoutConfig{Timeout: -1, ReadTimeout: -2, WriteTimeout: -time.Second}) },
			[]string{"Timeout: -1ns is negative", "ReadTimeout: -2ns is negative", "WriteTimeout: -1s is negative"},
		},
		"Feed": {
			func() {
				http.NewFeed(http.FeedConfig{
					Keep: -1, KeepBytes: -2, KeepFor: -time.Second, Heartbeat: -1, WriteTimeout: -1, Retry: -1, Store: &tableStore{}, History: true,
					Snapshot: func(context.Context, string) (http.Event, error) { return http.Event{}, nil },
				})
			},
			[]string{"Keep: -1", "KeepBytes: -2", "History: ", "KeepFor: -1s", "Heartbeat: -1ns", "WriteTimeout: -1ns", "Retry: -1ns", "Name: "},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			message := panicText(tt.make)
			if !strings.Contains(message, "config_test.go:") {
				t.Errorf("the message does not name the call: %s", message)
			}
			rest := message
			for i, want := range tt.want {
				want = name + "Config." + want
				if i > 0 {
					want = "; " + want
				}
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Fatalf("%s\nlacks %q", message, want)
				}
				rest = after
			}
			if fields := strings.Count(message, name+"Config."); fields != len(tt.want) {
				t.Errorf("%s\nnames %d fields, want %d", message, fields, len(tt.want))
			}
		})
	}
}
