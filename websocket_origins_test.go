package http_test

import (
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
)

func TestAllowOrigins(t *testing.T) {
	t.Parallel()
	tests := []struct {
		allow  []string
		origin string // fields of the request
		want   int
	}{
		{[]string{"https://app.example.org"}, "Origin: https://app.example.org", 101},
		{[]string{"https://app.example.org"}, "Origin: http://app.example.org", 403},
		{[]string{"https://app.example.org"}, "Origin: https://app.example.org:8443", 403},
		{[]string{"HTTPS://App.Example.org:443"}, "Origin: https://app.example.org", 101},
		{[]string{"https://*.example.org"}, "Origin: https://a.b.example.org", 101},
		{[]string{"https://*.example.org"}, "Origin: https://example.org", 403},
		{[]string{"https://*.example.org"}, "Origin: https://evilexample.org", 403},
		{[]string{"http://localhost:*"}, "Origin: http://localhost:5173", 101},
		{[]string{"http://localhost:*"}, "Origin: http://localhost.evil.example:5173", 403},
		// The same origin stays allowed, and so do clients without an Origin.
		{[]string{"https://app.example.org"}, "Origin: http://example.com", 101},
		{[]string{"https://app.example.org"}, "X-No: origin", 101},
		{[]string{}, "Origin: https://app.example.org", 403},
		{[]string{"https://app.example.org"}, "Origin: null", 403},
		{[]string{"https://app.example.org", "null"}, "Origin: null", 101},
		{[]string{"*"}, "Origin: https://evil.example", 101},
		{[]string{"*"}, "Origin: null", 101},
		{[]string{"*"}, "Origin: https://a.example\r\nOrigin: https://b.example", 403},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.allow, " ")+" and "+tt.origin, func(t *testing.T) {
			t.Parallel()
			request := strings.Replace(handshake, "\r\n\r\n", "\r\n"+tt.origin+"\r\n\r\n", 1)
			resp, _, log, err := refusal(t, &http.Upgrader{AllowOrigins: tt.allow}, request, nil)
			if resp.StatusCode != tt.want || (err == nil) != (tt.want == 101) {
				t.Errorf("the client got %s; Upgrade: %v", resp.Status, err)
			}
			if notListed := "is not in AllowOrigins"; err != nil && len(tt.allow) > 0 && !strings.Contains(tt.origin, "\r\n") &&
				(!strings.Contains(err.Error(), notListed) || !strings.Contains(log, notListed)) {
				t.Errorf("the error and the log do not contain %q: %v\n%s", notListed, err, log)
			}
		})
	}
}

// A mistake in the configuration fails the first request, of any origin, with
// an error that names every wrong entry.
func TestWrongOriginsOfAnUpgrader(t *testing.T) {
	t.Parallel()
	tests := []struct {
		upgrader http.Upgrader
		contains []string
	}{
		{http.Upgrader{AllowOrigins: []string{"app.example.org", "https://app.example.org", "https://*"}}, []string{
			`Upgrader.AllowOrigins[0]: origin "app.example.org" has no scheme`,
			`Upgrader.AllowOrigins[2]: origin "https://*" has a *`,
		}},
		{http.Upgrader{AllowOrigins: []string{"https://app.example.org/"}}, []string{`Upgrader.AllowOrigins[0]: origin "https://app.example.org/" has a path`}},
		{http.Upgrader{AllowOrigins: []string{"wss://app.example.org"}}, []string{`Upgrader.AllowOrigins[0]: origin "wss://app.example.org" has a WebSocket scheme`}},
		{http.Upgrader{AllowOrigins: []string{"*"}, CheckOrigin: func(*http.Request) bool { return true }}, []string{
			"Upgrader.AllowOrigins and Upgrader.CheckOrigin are both set; CheckOrigin decides alone, so set only one of them",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.contains[0], func(t *testing.T) {
			t.Parallel()
			resp, body, log, err := refusal(t, &tt.upgrader, handshake, nil)
			if resp.StatusCode != 500 || body != `{"error":"internal server error"}` {
				t.Errorf("the client got %s %s", resp.Status, body)
			}
			if err == nil || strings.Count(log, "\n") != 1 || !strings.Contains(log, `"level":"ERROR"`) {
				t.Fatalf("Upgrade: %v; log: %s", err, log)
			}
			for _, want := range tt.contains {
				if !strings.Contains(err.Error(), want) || !strings.Contains(strings.ReplaceAll(log, `\"`, `"`), want) {
					t.Errorf("the error or the log does not contain %q:\n%v\n%s", want, err, log)
				}
			}
		})
	}
}
