package main

import (
	"io"
	"net/http/httptest"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/compare/stacks"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
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

	want := testkit.Get(t, plain.Client(), plain.URL+path, "Accept-Encoding: gzip")
	want.WantHeader(t, "Content-Encoding", "")
	for range 3 { // reuses the compressor
		res := testkit.Get(t, compressed.Client(), compressed.URL+path, "Accept-Encoding: gzip")
		res.WantHeader(t, "Content-Encoding", "gzip")
		if got := res.Plain(t); got != want.Body {
			t.Errorf("%d bytes, want %d", len(got), len(want.Body))
		}
	}
	testkit.Get(t, compressed.Client(), compressed.URL+path, "Accept-Encoding: identity").Want(t, 200, want.Body)
}
