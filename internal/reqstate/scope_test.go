package reqstate

import "testing"

func TestLocationOfAMountedHandler(t *testing.T) {
	t.Parallel()
	outer := &Mounted{Prefix: "/out", Method: "GET", Host: "example.com", Path: "/a b/dir", RawQuery: "q"}
	inner := &Mounted{Outer: outer, Prefix: "/a b", Method: "GET", Host: "example.com", Path: "/dir", RawQuery: "q"}
	for location, want := range map[string]string{
		"/dir/":                     "/out/a%20b/dir/",
		"/dir/?q#f":                 "/out/a%20b/dir/?q#f",
		"/./dir":                    "/out/a%20b/./dir",
		"/dir":                      "/out/a%20b/dir", // another query
		"/dir?q":                    "/dir?q",         // would never end
		"/other":                    "/other",
		"/out/a%20b/dir/":           "/out/a%20b/dir/", // is already complete
		"dir/":                      "dir/",
		"":                          "",
		"?q":                        "?q",
		"%zz":                       "%zz",
		"mailto:/dir/":              "mailto:/dir/",
		"//example.com/dir/":        "//example.com/out/a%20b/dir/",
		"http://EXAMPLE.com/dir/":   "http://EXAMPLE.com/out/a%20b/dir/",
		"https://example.net/dir/":  "https://example.net/dir/",
		"//example.com":             "//example.com",
		"https://example.com/other": "https://example.com/other",
		"/dir/?to=//x/y":            "/out/a%20b/dir/?to=//x/y",
	} {
		if got := inner.Location(location); got != want {
			t.Errorf("Location(%q) = %q, want %q", location, got, want)
		}
	}
	var none *Mounted
	if got := none.Location("/dir/"); got != "/dir/" {
		t.Errorf("without a mount, the Location becomes %q", got)
	}
	root := &Mounted{Prefix: "/app", Method: "POST", Host: "x", Path: "/"}
	if got := root.Location("/"); got != "/" {
		t.Errorf("a redirect to the root of the site becomes %q", got)
	}
}
