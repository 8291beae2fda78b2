package testkit_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// describe responds with a description of the request.
var describe = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("X-Length", fmt.Sprint(r.ContentLength))
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintf(w, "%s %s %s %s", r.Method, r.RequestURI, r.Header["X-Field"], body)
})

func TestRequestsAreTheSameOnAServerAndInMemory(t *testing.T) {
	t.Parallel()
	testkit.EachProtocol(t, describe, func(t *testing.T, srv *testkit.Server) {
		for _, tt := range []struct {
			method, body string
			fields       []string
			want         string
		}{
			{"GET", "", nil, "GET /a?b [] "},
			{"POST", "text", []string{"X-Field: one: 1"}, "POST /a?b [one: 1] text"},
			{"PUT", "", []string{"X-Field: one", "x-field: two"}, "PUT /a?b [two] "},
		} {
			sent := srv.Do(t, tt.method, "/a?b", tt.body, tt.fields...)
			recorded := testkit.Record(describe, testkit.NewRequest(tt.method, "/a?b", tt.body, tt.fields...))
			for _, res := range []*testkit.Response{sent, recorded} {
				res.Want(t, 202, tt.want)
				res.WantHeader(t, "X-Length", fmt.Sprint(len(tt.body)))
				res.WantHeader(t, "X-Missing", "")
			}
		}
		srv.Get(t, "/a", "X-Field: f").Want(t, 202, "GET /a [f] ")
	})
}

func TestWantReportsDifferences(t *testing.T) {
	t.Parallel()
	res := testkit.Record(describe, testkit.NewRequest("GET", "/", ""))
	for _, tt := range []struct {
		want    func(r *recorder)
		failure string
	}{
		{func(r *recorder) { res.Want(r, 202, "GET / [] ") }, ""},
		{func(r *recorder) { res.Want(r, 200, "GET / [] ") }, `got 202 "GET / [] ", want 200 "GET / [] "`},
		{func(r *recorder) { res.Want(r, 202, "GET") }, `got 202 "GET / [] ", want 202 "GET"`},
		{func(r *recorder) { res.WantHeader(r, "X-Length", "1") }, `X-Length is "0", want "1"`},
	} {
		r := new(recorder)
		tt.want(r)
		if got := strings.Join(r.failures, "\n"); got != tt.failure {
			t.Errorf("reported %q, want %q", got, tt.failure)
		}
	}
}

func TestHeaderLinesNeedAColon(t *testing.T) {
	t.Parallel()
	defer func() {
		if got := recover(); got != "testkit: no header line: Accept" {
			t.Errorf("panic %v", got)
		}
	}()
	testkit.NewRequest("GET", "/", "", "Accept", "text/html")
}

func TestRedirectsAreReturned(t *testing.T) {
	t.Parallel()
	srv := testkit.StartServer(t, testkit.HTTP1, http.RedirectHandler("/elsewhere", http.StatusFound))
	res := srv.Get(t, "/")
	if res.StatusCode != http.StatusFound {
		t.Errorf("status %d", res.StatusCode)
	}
	res.WantHeader(t, "Location", "/elsewhere")
}

func TestSendReturnsAnIncompleteBody(t *testing.T) {
	t.Parallel()
	testkit.EachProtocol(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "half")
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}), func(t *testing.T, srv *testkit.Server) {
		res, err := testkit.Send(srv.Client(), testkit.NewRequest("GET", srv.URL, ""))
		if err == nil || res == nil || res.Body != "half" {
			t.Errorf("got %v, %v", res, err)
		}
	})
}
