package header

import (
	"net/http"
	"slices"
	"testing"
)

// aboutTheBody maps the fields that describe the body of a response to whether
// a 304 keeps them.
var aboutTheBody = map[string]bool{
	"Content-Type": false, "Content-Length": false, "Content-Language": false, "Content-Location": true, "Content-Range": false,
	"Content-Disposition": false, "Content-Md5": false, "Content-Digest": false, "Content-Transfer-Encoding": false,
	"Content-Description": false, "Accept-Ranges": false, "Digest": false, "Repr-Digest": false, "Last-Modified": false, "Etag": true,
	"Expires": true, "Cache-Control": true, "Cdn-Cache-Control": true, "Pragma": true, "Age": true, "Surrogate-Control": true,
	"Transfer-Encoding": false, "Signature": false, "X-Accel-Redirect": false, "X-Accel-Buffering": false, "X-Accel-Expires": true, "X-Sendfile": false,
	"Trailer": false, http.TrailerPrefix + "X-Sum": false, "content-disposition": false, "ETag": true,
}

// aboutOtherThings are fields that every response keeps.
var aboutOtherThings = []string{
	"Set-Cookie", "Vary", "Allow", "Retry-After", "Www-Authenticate", "Location", "Link", "Date", "Connection", "Server",
	"Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Content-Security-Policy", "Content-Security-Policy-Report-Only",
	"Strict-Transport-Security", "X-Content-Type-Options", "X-Request-Id", "Server-Timing", "Accept-Patch", "Upgrade",
}

// describedHeader returns a header with all fields of both lists.
func describedHeader() http.Header {
	h := http.Header{"Content-Encoding": {"gzip"}}
	for name := range aboutTheBody {
		h[name] = []string{"1"}
	}
	for _, name := range aboutOtherThings {
		h[name] = []string{"1"}
	}
	return h
}

func TestDropRepresentation(t *testing.T) {
	t.Parallel()
	h := describedHeader()
	DropRepresentation(h)
	for name := range aboutTheBody {
		if _, ok := h[name]; ok {
			t.Errorf("%s was kept", name)
		}
	}
	for _, name := range slices.Concat(aboutOtherThings, []string{"Content-Encoding"}) {
		if _, ok := h[name]; !ok {
			t.Errorf("%s was removed", name)
		}
	}
}

func TestDropRepresentationDropsAnnouncedTrailers(t *testing.T) {
	t.Parallel()
	h := http.Header{"Trailer": {"x-sum, X-More", "X-Last"}, "X-Sum": {"1"}, "X-Last": {"1"}, "X-Kept": {"1"}}
	if DropRepresentation(h); len(h) != 1 || h.Get("X-Kept") == "" {
		t.Errorf("the header is now %v", h)
	}
}

func TestDropForNotModified(t *testing.T) {
	t.Parallel()
	h := describedHeader()
	DropForNotModified(h)
	for name, kept := range aboutTheBody {
		if _, ok := h[name]; ok != kept {
			t.Errorf("%s was kept: %v, want %v", name, ok, kept)
		}
	}
	for _, name := range aboutOtherThings {
		if _, ok := h[name]; !ok {
			t.Errorf("%s was removed", name)
		}
	}
	if _, ok := h["Content-Encoding"]; ok {
		t.Error("Content-Encoding was kept")
	}
}
