package http_test

import (
	"fmt"
	"net/http/httptest"
	"net/netip"

	"github.com/stanza-go/framework/pkg/http"
)

// Forwarding headers are used only if the request comes from a proxy.
func ExampleClientIP() {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-Forwarded-For", "6.6.6.6, 203.0.114.9")

	r.RemoteAddr = "127.0.0.1:50000" // a proxy on the same machine
	fmt.Println(http.ClientIP(r))
	r.RemoteAddr = "8.8.8.8:50000" // a client that connects directly
	fmt.Println(http.ClientIP(r))
	// Output:
	// 203.0.114.9
	// 8.8.8.8
}

// A CDN connects from public addresses, so its prefixes must be listed.
func ExampleTrustedProxies() {
	router := http.NewRouter()
	router.Use(http.TrustedProxies(netip.MustParsePrefix("173.245.48.0/20")))
	router.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		fmt.Println(http.ClientIP(r))
	})

	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "173.245.48.1:50000"
	r.Header.Set("X-Forwarded-For", "6.6.6.6, 203.0.114.9")
	router.ServeHTTP(httptest.NewRecorder(), r)
	// Output: 203.0.114.9
}
