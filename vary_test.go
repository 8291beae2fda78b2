package http_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// If the responses of a random handler depend on Accept-Encoding, all of them must
// have it in Vary, since a cache may store any of them first. Otherwise none may.
func TestVaryIsThereIfAcceptEncodingDecides(t *testing.T) {
	t.Parallel()
	compress, etag := http.Compress(http.CompressConfig{}), http.ETag(http.ETagConfig{})
	chains := []framingChain{
		{wraps: []func(http.Handler) http.Handler{compress}},
		{wraps: []func(http.Handler) http.Handler{compress, etag}},
		{wraps: []func(http.Handler) http.Handler{etag, compress}},
	}
	_, srv := framingServers(t, testkit.HTTP1)
	varied := 0
	for seed := range uint64(400) {
		p, _ := framingCase(framingSeed(5000 + seed))
		if p.panics || p.lateHijack || p.mislabeled {
			continue
		}
		chain := chains[seed%3]
		answers := map[string]*framingResult{}
		for _, accept := range []string{"", "gzip", "br", "identity;q=0, gzip", "*;q=0"} {
			p.header = slices.DeleteFunc(p.header, func(f [2]string) bool { return f[0] == "Accept-Encoding" })
			if accept != "" {
				p.header = append(p.header, [2]string{"Accept-Encoding", accept})
			}
			got := srv.exchange(t, p, chain.wrap)
			delete(got.Header, "Date")
			answers[accept] = got
		}
		differ := false
		for _, got := range answers {
			differ = differ || describe(got) != describe(answers[""])
		}
		for accept, got := range answers {
			varies := slices.Contains(got.Header["Vary"], "Accept-Encoding")
			// A 200 for the same request may be encoded.
			about200 := slices.Contains([]int{206, 304, 412, 416}, got.Status)
			if varies != differ && !(varies && about200) {
				t.Errorf("program %d: the answers differ: %v, but that to Accept-Encoding %q has Vary %q\n\t%v", seed, differ, accept, got.Header["Vary"], p)
			}
		}
		if differ {
			varied++
		}
	}
	if varied < 20 {
		t.Errorf("only %d of the programs had answers that differ", varied)
	}
}

// describe returns a response as the client sees it, without Vary.
func describe(f *framingResult) string {
	h := f.Header.Clone()
	delete(h, "Vary")
	return fmt.Sprint(f.Status, h, f.Trailer, f.Body)
}
