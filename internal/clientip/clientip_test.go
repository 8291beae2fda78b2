package clientip_test

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/clientip"
)

// addresses are the forms of Parse; "" means that Parse returns false.
var addresses = []struct{ in, want string }{
	{"1.2.3.4", "1.2.3.4"},
	{"1.2.3.4:567", "1.2.3.4"},
	{" 1.2.3.4\t", "1.2.3.4"},
	{`"1.2.3.4:567"`, "1.2.3.4"},
	{"2001:DB8:0:0::1", "2001:db8::1"},
	{"[2001:db8::1]:99", "2001:db8::1"},
	{"[2001:db8::1]", "2001:db8::1"},
	{`"[2001:db8::1]:99"`, "2001:db8::1"},
	{"fe80::1%eth0", "fe80::1"},
	{"[fe80::1%eth0]:99", "fe80::1"},
	{"::ffff:1.2.3.4", "1.2.3.4"},
	{"::ffff:102:304", "1.2.3.4"},
	{"[::ffff:1.2.3.4]:99", "1.2.3.4"},
	{"::", "::"},
	{"", ""},
	{"@", ""},
	{"/run/app.sock", ""},
	{"unknown", ""},
	{"_hidden", ""},
	{`"`, ""},
	{`""`, ""},
	{`"1.2.3.4`, ""},
	{"for=1.2.3.4", ""},
	{"1.2.3", ""},
	{"1.2.3.04", ""},
	{"1.2.3.256", ""},
	{"1.2.3.4:", ""},
	{"1.2.3.4:x", ""},
	{"1.2.3.4:99999", ""},
	{"1.2.3.4:+80", ""},
	{"1.2.3.4%eth0", ""},
	{"[1.2.3.4]:80", ""},
	{"[2001:db8::1", ""},
	{"[2001:db8::1]99", ""},
	{"[2001:db8::1]:", ""},
	{"fe80::1%", ""},
	{"2001:db8::1::2", ""},
	{"1.2.3.4 5.6.7.8", ""},
	{"example.com:80", ""},
	{":80", ""},
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, tt := range addresses {
		got, ok := clientip.Parse(tt.in)
		if got.String() != tt.want || ok != (tt.want != "") {
			t.Errorf("Parse(%q) = %q, %v; want %q", tt.in, got, ok, tt.want)
		}
	}
}

func TestKeyIsWhatOneCustomerHas(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"1.2.3.4:5", "1.2.3.4"},
		{"::ffff:1.2.3.4", "1.2.3.4"},
		{"2001:db8:1:2:3::4", "2001:db8:1:2::/64"},
		{"[2001:db8:1:2:ffff::]:80", "2001:db8:1:2::/64"},
		{"2001:db8:1:3::", "2001:db8:1:3::/64"},
		{"unknown", ""},
		{"64:ff9b::1.2.3.4", "1.2.3.4"},
		{"[64:ff9b::102:304]:80", "1.2.3.4"},
		{"64:ff9b::1:102:304", "64:ff9b::/64"}, // outside the /96
		{"64:ff9b:1::1.2.3.4", "64:ff9b:1::102:304"},
		{"64:ff9b:1:102:3:400::", "64:ff9b:1:102:3:400::"},
		{"64:ff9b:2::1", "64:ff9b:2::/64"},
		{"2002:102:304::1", "1.2.3.4"},
		{"2002:102:304:ffff:1:2:3:4", "1.2.3.4"},
		{"2003:102:304::1", "2003:102:304::/64"},
		{"2001:0:53aa:64c:0:fbff:fefd:fcfb", "1.2.3.4"},
		{"2001:1::fefd:fcfb", "2001:1::/64"},
	}
	for _, tt := range tests {
		address, _ := clientip.Parse(tt.in)
		if got := address.Key(); got != tt.want {
			t.Errorf("key of %q is %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestOnlyUnroutedAddressesAreNotRoutable(t *testing.T) {
	t.Parallel()
	unrouted := []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.0.1",
		"169.254.1.1", "172.16.0.1", "172.31.255.255", "192.0.2.1", "192.168.0.1", "198.18.0.1", "198.51.100.1",
		"203.0.113.255", "240.0.0.1", "255.255.255.255", "::", "::1", "fc00::1", "fdff::1", "fe80::1", "febf::1",
		"2001:db8::1", "3fff::1", "100::1",
	}
	routed := []string{
		"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.0.0.1", "128.0.0.1",
		"169.253.1.1", "172.15.255.255", "172.32.0.0", "192.0.3.1", "192.167.0.1", "198.17.0.1", "198.20.0.1",
		"203.0.114.0", "223.255.255.255", "2001::1", "2001:db7::1", "2001:db9::1", "2002:a00:1::", "64:ff9b::a00:1", "64:ff9b:1::1", "64:ff9b:1::a00:1",
		"2606:4700::1111", "4000::", "fb00::1", "101::1", "::10.0.0.1",
	}
	for want, list := range map[bool][]string{false: unrouted, true: routed} {
		for _, s := range list {
			if got := clientip.Routable(netip.MustParseAddr(s)); got != want {
				t.Errorf("Routable(%s) = %v", s, got)
			}
		}
	}
}

func TestOfBelievesTrustedPeersOnly(t *testing.T) {
	t.Parallel()
	set, err := clientip.NewSet([]netip.Prefix{
		netip.MustParsePrefix("173.245.48.0/20"),
		netip.MustParsePrefix("2400:cb00::/32"),
		netip.MustParsePrefix("::ffff:198.41.128.0/113"),
	})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, peer string
		forwarded  []string
		real       []string
		trusted    *clientip.Set
		want       string
	}{
		{"no headers", "8.8.8.8:1", nil, nil, nil, "8.8.8.8"},
		{"public peer, forged list", "8.8.8.8:1", []string{"6.6.6.6"}, nil, nil, "8.8.8.8"},
		{"public peer, forged X-Real-IP", "8.8.8.8:1", nil, []string{"6.6.6.6"}, nil, "8.8.8.8"},
		{"public IPv6 peer", "[2606:4700::1]:1", []string{"6.6.6.6"}, nil, nil, "2606:4700::1"},
		{"loopback proxy", "127.0.0.1:1", []string{"6.6.6.6, 1.2.3.4"}, nil, nil, "1.2.3.4"},
		{"httptest's peer", "192.0.2.1:1234", []string{"1.2.3.4"}, nil, nil, "1.2.3.4"},
		{"mapped loopback", "[::ffff:127.0.0.1]:1", []string{"1.2.3.4"}, nil, nil, "1.2.3.4"},
		{"unix socket", "@", []string{"1.2.3.4"}, nil, nil, "1.2.3.4"},
		{"unix socket by path", "/run/x", []string{"1.2.3.4"}, nil, nil, "1.2.3.4"},
		{"unix socket, unnamed", "", []string{"1.2.3.4"}, nil, nil, "1.2.3.4"},
		{"unix socket, no headers", "@", nil, nil, nil, ""},
		{"peer of an unknown kind", "pipe", []string{"1.2.3.4"}, nil, nil, ""},
		{"two lines", "10.0.0.1:1", []string{"6.6.6.6, 1.2.3.4", "10.0.0.2"}, nil, nil, "1.2.3.4"},
		{"past private proxies", "10.0.0.1:1", []string{"6.6.6.6,1.2.3.4,10.1.1.1 ,[fd00::1]:80"}, nil, nil, "1.2.3.4"},
		{"all trusted", "10.0.0.1:1", []string{"192.168.1.9, 10.0.0.3", "10.0.0.2"}, nil, nil, "192.168.1.9"},
		{"64 hops", "10.0.0.1:1", []string{"6.6.6.6, 1.2.3.4" + strings.Repeat(",10.0.0.3", 63)}, nil, nil, "1.2.3.4"},
		{"more hops than any request has", "10.0.0.1:1", []string{"6.6.6.6, 1.2.3.4, 10.0.0.9" + strings.Repeat(",10.0.0.3", 63)}, nil, nil, "10.0.0.9"},
		{"hops in lines of their own", "10.0.0.1:1", append([]string{"1.2.3.4", "10.0.0.9"}, slices.Repeat([]string{"10.0.0.3"}, 63)...), nil, nil, "10.0.0.9"},
		{"a megabyte of commas", "10.0.0.1:1", []string{"1.2.3.4, 10.0.0.3" + strings.Repeat(",", 1<<20)}, nil, nil, "10.0.0.1"},
		{"junk at the end", "10.0.0.1:1", []string{"1.2.3.4, unknown"}, nil, nil, "10.0.0.1"},
		{"junk in the middle", "10.0.0.1:1", []string{"1.2.3.4, unknown, 10.0.0.2"}, nil, nil, "10.0.0.2"},
		{"junk before the client", "10.0.0.1:1", []string{"junk, 1.2.3.4"}, nil, nil, "1.2.3.4"},
		{"junk beside X-Real-IP", "10.0.0.1:1", []string{"junk"}, []string{"6.6.6.6"}, nil, "10.0.0.1"},
		{"a Unix socket in the list", "127.0.0.1:1", []string{"9.9.9.9, unix:"}, []string{"6.6.6.6"}, nil, "127.0.0.1"},
		{"a Unix socket before a proxy", "127.0.0.1:1", []string{"9.9.9.9, unix:", "10.0.0.2"}, []string{"6.6.6.6"}, nil, "10.0.0.2"},
		{"empty list beside X-Real-IP", "10.0.0.1:1", []string{""}, []string{"6.6.6.6"}, nil, "10.0.0.1"},
		{"commas beside X-Real-IP", "10.0.0.1:1", []string{" ,", "\t,,"}, []string{"6.6.6.6"}, nil, "10.0.0.1"},
		{"empty list over a unix socket", "@", []string{""}, []string{"6.6.6.6"}, nil, ""},
		{"no lines beside X-Real-IP", "10.0.0.1:1", []string{}, []string{"1.2.3.4"}, nil, "1.2.3.4"},
		{"empty entries", "10.0.0.1:1", []string{" , 1.2.3.4,, ", "", ","}, nil, nil, "1.2.3.4"},
		{"empty list", "10.0.0.1:1", []string{""}, nil, nil, "10.0.0.1"},
		{"X-Real-IP", "10.0.0.1:1", nil, []string{"1.2.3.4"}, nil, "1.2.3.4"},
		{"X-Real-IP twice", "10.0.0.1:1", nil, []string{"6.6.6.6", "1.2.3.4"}, nil, "1.2.3.4"},
		{"X-Real-IP with a list", "10.0.0.1:1", nil, []string{"6.6.6.6, 1.2.3.4"}, nil, "10.0.0.1"},
		{"the list goes first", "10.0.0.1:1", []string{"1.2.3.4"}, []string{"5.6.7.8"}, nil, "1.2.3.4"},
		{"zone", "10.0.0.1:1", []string{"fe80::1%eth0"}, nil, nil, "fe80::1"},
		{"spelling", "10.0.0.1:1", []string{"2A00:0:0:0::1"}, nil, nil, "2a00::1"},
		{"named proxy", "173.245.48.5:1", []string{"6.6.6.6, 1.2.3.4"}, nil, set, "1.2.3.4"},
		{"named proxy, IPv6", "[2400:cb00::9]:1", []string{"1.2.3.4"}, nil, set, "1.2.3.4"},
		{"named as mapped", "198.41.129.1:1", []string{"1.2.3.4"}, nil, set, "1.2.3.4"},
		{"past a named proxy", "127.0.0.1:1", []string{"6.6.6.6, 1.2.3.4, 173.245.48.5"}, nil, set, "1.2.3.4"},
		{"beside the named ones", "173.245.64.5:1", []string{"6.6.6.6"}, nil, set, "173.245.64.5"},
	}
	for _, tt := range tests {
		header := http.Header{}
		if tt.forwarded != nil {
			header["X-Forwarded-For"] = tt.forwarded
		}
		if tt.real != nil {
			header["X-Real-Ip"] = tt.real
		}
		if got := clientip.Of(tt.peer, header, tt.trusted).String(); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		if got, want := clientip.Forwarded(header), len(tt.forwarded)+len(tt.real) > 0; got != want {
			t.Errorf("%s: Forwarded says %v", tt.name, got)
		}
	}
}

func TestNewSetRefusesBadPrefixes(t *testing.T) {
	t.Parallel()
	for _, prefix := range []netip.Prefix{
		{}, netip.PrefixFrom(netip.MustParseAddr("10.0.0.0"), 33), netip.MustParsePrefix("::ffff:0:0/95"),
	} {
		good := netip.MustParsePrefix("10.0.0.0/8")
		if _, err := clientip.NewSet([]netip.Prefix{good, prefix}); err == nil {
			t.Errorf("NewSet takes %v", prefix)
		}
	}
}

func TestAndTrustsBoth(t *testing.T) {
	t.Parallel()
	a, _ := clientip.NewSet([]netip.Prefix{netip.MustParsePrefix("1.0.0.0/8")})
	b, _ := clientip.NewSet([]netip.Prefix{netip.MustParsePrefix("2.0.0.0/8")})
	header := http.Header{"X-Forwarded-For": {"9.9.9.9, 1.1.1.1"}}
	for _, tt := range []struct {
		set  *clientip.Set
		want string
	}{{a, "2.2.2.2"}, {b, "1.1.1.1"}, {a.And(b), "9.9.9.9"}, {b.And(a), "9.9.9.9"}, {b.And(nil), "1.1.1.1"}, {(*clientip.Set)(nil).And(b), "1.1.1.1"}} {
		if got := clientip.Of("2.2.2.2:1", header, tt.set).String(); got != tt.want {
			t.Errorf("%v gives %q, want %q", tt.set, got, tt.want)
		}
	}
}

func TestCanonicalAddressesDoNotAllocate(t *testing.T) {
	header := http.Header{"X-Forwarded-For": {"6.6.6.6, 2a00:1450::8a, 10.0.0.2"}}
	if n := testing.AllocsPerRun(100, func() {
		_ = clientip.Of("8.8.8.8:99", nil, nil).String()
		_ = clientip.Of("[2a00::1]:99", nil, nil).String()
		_ = clientip.Of("127.0.0.1:99", header, nil).String()
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func FuzzParse(f *testing.F) {
	for _, tt := range addresses {
		f.Add(tt.in)
	}
	f.Fuzz(func(t *testing.T, s string) {
		address, ok := clientip.Parse(s)
		if !ok {
			// Parse accepts every address that the standard library accepts, unless its zone
			// ends with white space. In a list, such a space belongs to the separator.
			if _, err := netip.ParseAddr(s); err == nil && s == strings.TrimRight(s, " \t") {
				t.Errorf("Parse refuses the address %q", s)
			}
			if ap, err := netip.ParseAddrPort(s); err == nil && s == ap.String() {
				t.Errorf("Parse refuses the address and port %q", s)
			}
			return
		}
		text := address.String()
		ip, err := netip.ParseAddr(text)
		if err != nil || ip.String() != text || ip.Is4In6() || ip.Zone() != "" {
			t.Errorf("Parse(%q) gives %q, which is not canonical", s, text)
		}
		again, ok := clientip.Parse(text)
		if !ok || again.String() != text {
			t.Errorf("Parse(%q) gives %q, which parses as %q", s, text, again)
		}
	})
}

func FuzzWalk(f *testing.F) {
	f.Add("6.6.6.6, 1.2.3.4", "10.0.0.2")
	f.Add("unknown, ,, 192.168.1.1", `"[2001:db8::1]:99", fe80::1%eth0`)
	f.Add("", "1.2.3.4,")
	f.Add("::", strings.Repeat(",", 70)) // more entries than are read
	f.Fuzz(func(t *testing.T, line1, line2 string) {
		header := http.Header{"X-Forwarded-For": {line1, line2}}
		if got := clientip.Of("8.8.8.8:1", header, nil).String(); got != "8.8.8.8" {
			t.Fatalf("a public peer forged %q", got)
		}
		got := clientip.Of("127.0.0.1:1", header, nil).String()
		header["X-Real-Ip"] = []string{"9.9.9.9"}
		if beside := clientip.Of("127.0.0.1:1", header, nil).String(); beside != got {
			t.Errorf("lines %q, %q give %q, and %q beside X-Real-IP", line1, line2, got, beside)
		}
		list := line1 + "," + line2
		if want := slowWalk("127.0.0.1", list); got != want && strings.Count(list, ",") < 64 {
			t.Errorf("lines %q, %q give %q, want %q", line1, line2, got, want)
		}
		// An address that a trusted proxy appends decides, whatever precedes it.
		header["X-Forwarded-For"][1] += ", 1.2.3.4"
		if got := clientip.Of("127.0.0.1:1", header, nil).String(); got != "1.2.3.4" {
			t.Errorf("a client that sent %q, %q passes for %q", line1, line2, got)
		}
	})
}

// slowWalk implements the rule for the list literally.
func slowWalk(peer, list string) string {
	for _, entry := range slices.Backward(strings.Split(list, ",")) {
		entry = strings.Trim(entry, " \t")
		if entry == "" {
			continue
		}
		address, ok := clientip.Parse(entry)
		if !ok {
			break
		}
		peer = address.String()
		if clientip.Routable(netip.MustParseAddr(peer)) {
			break
		}
	}
	return peer
}

func BenchmarkOf(b *testing.B) {
	proxied := http.Header{"X-Forwarded-For": {"6.6.6.6, 1.2.3.4"}}
	for _, bb := range []struct {
		name, peer string
		header     http.Header
	}{
		{"direct", "8.8.8.8:12345", http.Header{}},
		{"direct IPv6", "[2a00:1450:4001::8a]:12345", http.Header{}},
		{"proxied", "127.0.0.1:12345", proxied},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = clientip.Of(bb.peer, bb.header, nil).String()
			}
		})
	}
}
