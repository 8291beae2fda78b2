package main

import (
	"bytes"
	"compress/gzip"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/compare/stacks"
)

func TestEveryContestantIsFound(t *testing.T) {
	t.Parallel()
	for _, row := range stacks.Chains(io.Discard) {
		for _, c := range append(row.Contestants, row.Beside...) {
			if _, err := find(c.Name, row.Name, io.Discard); err != nil {
				t.Error(err)
			}
		}
		for _, name := range []string{"net-http-gzip", ownServer} {
			if _, err := find(name, row.Name, io.Discard); err != nil {
				t.Error(err)
			}
		}
	}
	for _, name := range []string{"", "nobody", "chi-gzip"} {
		if _, err := find(name, "200B", io.Discard); err == nil {
			t.Errorf("%q was found", name)
		}
	}
}

func TestCompressedAnswerIsTheSame(t *testing.T) {
	t.Parallel()
	const path = "/api/items/7"
	plain := httptest.NewServer(stacks.Bare(stacks.NewItem(10 << 10)))
	defer plain.Close()
	compressed := httptest.NewServer(compress(stacks.Bare(stacks.NewItem(10 << 10))))
	defer compressed.Close()

	want, header := get(t, plain.URL+path, "gzip")
	if coding := header.Get("Content-Encoding"); coding != "" {
		t.Errorf("the bare answer has the coding %q", coding)
	}
	for range 3 { // reuses the compressor
		body, header := get(t, compressed.URL+path, "gzip")
		zr, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil || header.Get("Content-Encoding") != "gzip" {
			t.Fatalf("header %v, %v", header, err)
		}
		if got, err := io.ReadAll(zr); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes, %v, want %d", len(got), err, len(want))
		}
	}
	if got, _ := get(t, compressed.URL+path, "identity"); !bytes.Equal(got, want) {
		t.Errorf("%d bytes without gzip, want %d", len(got), len(want))
	}
}

// get returns a response's body as sent, and its header.
func get(t *testing.T, url, encoding string) ([]byte, nethttp.Header) {
	t.Helper()
	request, err := nethttp.NewRequestWithContext(t.Context(), nethttp.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept-Encoding", encoding)
	response, err := nethttp.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return body, response.Header
}
