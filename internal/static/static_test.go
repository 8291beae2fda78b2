package static

import (
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"
)

func TestAllowed(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		".": true, "a": true, "a/b.txt": true, "a b/ü.txt": true, ".well-known/x": true, "urn:isbn:1": true,
		"": false, "/a": false, "a/": false, "a//b": false, "../a": false, "a/../b": false, "a/./b": false,
		".env": false, "a/.git/config": false, "a/.well-known/x": false, ".well-known/.x": false,
		`a\b`: false, "a%2f..%2fb": false, "a%252f..": false, "%2e%2e/x": false, "%25252e%25252e/x": false, "a%5cb": false, "a%00": false, "%2fetc": false,
		"100%": true, "100%25": true, "a%2fb": true, "ab%3Ac": true, "a\x00b": false, "C:": false, "c:/x": false, "a/C:x": false, "...": false,
	} {
		if got := allowed(name); got != want {
			t.Errorf("allowed(%q) = %v, want %v", name, got, want)
		}
	}
}

// The names in the first list come from the named tools, those in the second from
// people.
func TestHashedTellsBundlersFromPeople(t *testing.T) {
	t.Parallel()
	bundlers := map[string][]string{
		"Vite and Rollup": {
			"assets/index-DDmkKxTU.js", "assets/vendor-react-BSP-73WU.js", "assets/index-D-CiO_vO.css", "assets/index-DiwrgTda.css",
			"assets/index-BqX9_k2a.js", "assets/index-C_pBqZkj.js", "assets/react-CHdo91hT.svg", "assets/index-BQkkbUZH.js",
			"assets/index-CLUyjGnU.css", "assets/logo-BFkQ3vzB.png", "assets/Dashboard-Bx7NlRz-.js", "assets/Login--8sXn2Qd.js",
			"assets/inter-latin-400-normal-C38fXH4l.woff2", "assets/index-n_ryQ3BS.css", "assets/worker-CkDTg7yK.js",
			"assets/index-DDmkKxTU.js.map", "assets/index-legacy-BSP-73WU.js", "assets/index-rAwPf_JK.js", "assets/useAuth-DPWkzXtQ.js",
			"assets/index.3f2a1b9c.js", "assets/vendor.0b5e6d6f.css", "_astro/index.DbnmEXhN.css", "_astro/hoisted.CSbXvQ9k.js", "_nuxt/entry.BSP-73WU.js",
			"_nuxt/DDmkKxTU.js", "_nuxt/BqX9_k2a.css",
		},
		"esbuild and Angular": {
			"chunk-KXQHWZUA.js", "chunk-ABCD2345.js", "main-5INURTSO.js", "polyfills-FFHMD2TL.js", "styles-ABCDEFGH.css",
			"main.0123456789abcdef.js", "runtime.5e1b2a3c4d5e6f70.js", "media/roboto-MKBD7XPQ.woff2",
		},
		"webpack, Parcel and others": {
			"static/js/main.8f3e2b1c.js", "static/js/2.8f3e2b1c.chunk.js", "static/css/main.8f3e2b1c.chunk.css", "js/chunk-vendors.1a2b3c4d.js",
			"main.3f2a1b9c4d5e6f708192.js", "app-0123456789abcdef0123.js", "component---src-pages-index-js-5f6e7d8c9b0a1f2e3d4c.js",
			"index.a1b2c3d4.js", "index.a1b2c3d4.css", "photo.1a2b3c4d5e.webp", "base.27e20196a850.js", "workbox-1ffba242.js",
			"application-9b3b8e1c5b0a4d2f8e7c6b5a4d3c2b1a0f9e8d7c6b5a4d3c2b1a0f9e8d7c6b5a.css", "main.min.9b3b8e1c5b0a4d2f.css",
			"vendor-0cb7a1c2d3e4f5061728394a5b6c7d8e.js", "app-1a2b.js", "app-1a2b3c4d.js", "app-1a2b3c4d.js.map",
		},
		"webpack, without a name": {"6ce24c58023cc2f8fd88.png", "6ce24c58023cc2f8fd88fe9d219db6c6.woff2"},
		"Next.js and SvelteKit": {
			"_next/static/css/0123456789abcdef.css", "_next/static/chunks/main-0123456789abcdef.js", "_next/static/chunks/pages/_app-89ab0123.js",
			"_next/static/8vBqkZ1rT0/_buildManifest.js", "_next/static/media/c9a5bc6a7c948fb0-s.p.woff2", "_app/immutable/nodes/0.DbnmEXhN.js",
		},
	}
	for tool, names := range bundlers {
		for _, name := range names {
			if !hashed(name) {
				t.Errorf("%s: hashed(%q) = false", tool, name)
			}
		}
	}
	people := []string{
		"page-Dashboard.js", "lib-GraphQL8.js", "comp-GraphQL.js", "lib-VideoJS8.js", "lib-D3Charts.js", "lib-v8engine.js", "lib-h5player.js", "lib-css3anim.js",
		"lib-XMLHttpRequest.js", "util-HttpClient.js", "lib-JSONEditor.js", "lib-PDFViewer.js", "lib-OAuth2Client.js", "img-iPhone15Pro.png",
		"hero-DesktopXL.png", "img-RetinaHD.png", "report-FY2024Q1.pdf", "report-Q3FY2025.pdf", "report-2024Jan15.pdf", "invoice-INV00042.pdf",
		"flight-AB1234CD.pdf", "ui-Snackbar.js", "ui-TreeView.js", "lib-mp3player.js", "lib-k8sClient.js", "lib-i18nextXhr.js",
		"app.js", "index.html", "my-component.js", "jquery-validate.js", "jquery.validate.js", "jquery-validate.min.js", "bootstrap.bundle.min.js",
		"bootstrap-5.3.2.min.js", "react-dom.production.min.js", "react.development.js", "user-settings.js", "date-formats.js", "service-worker.js",
		"apple-touch-icon.png", "android-chrome-512x512.png", "icon-1024x768.png", "icon-1920x1080.png", "favicon-32x32.png", "2024-01-15.html",
		"report-20240101.pdf", "report-v20240101.pdf", "report-20240101b.pdf", "photo-2024b.jpg", "backup-20240101T1200.json",
		"page-UserProfile.js", "page-UserCard.js", "page-Settings.js", "page-Dropdown.js", "page-FileList.js", "view-TaskList.css", "ui-MyWidget.js",
		"page-Checkout.js", "page-HelpDesk.js", "page-ListView.js", "page-Workflow.js", "page-Download.js", "page-MenuItem.js", "page-Calendar.js",
		"page-Strength.js", "page-Homepage.js", "logo-DARKMODE.svg", "color-RGB-2024.svg", "icon-red-16px.png", "theme-bootstrap5.css",
		"chapter-section12.txt", "font-awesome.css", "normalize.css", "socket.io.js", "vue.runtime.global.js", "highlight-javascript.js",
		"three.module.js", "d3.v7.min.js", "moment-with-locales.js", "firebase-messaging-sw.js", "registerSW.js", "manifest.webmanifest",
		"angular-sanitize.js", "lodash.template.js", "en-US.json", "messages-zh-Hant.json", "README-Windows.md", "style-2024a.css",
		"video-1080p60.mp4", "-1a2b3c4d.js", ".1a2b3c4d", "1a2b3c4d.js", "app-1a2b 3c4d.js", "assets/DDmkKxTU.js", "_nuxt/builds/latest.json",
		"lato-v24-latin-700italic.woff2", "house-3bedroom.jpg", "house-1bedroom2bath.jpg", "resume-2024final.pdf", "poster-2024summer.png",
		"123e4567-e89b-12d3-a456-4266141740ab.jpg", "photo-123e4567-e89b-12d3-a456-4266141740ab.jpg", "20240115093000123456.json",
		"my-_next/static-thing.js", "leaflet-markercluster.js", "Roboto-BoldItalic.ttf", "OpenSans-SemiBold.woff2", "Inter-ExtraLight.woff2",
	}
	for _, name := range people {
		if hashed(name) {
			t.Errorf("hashed(%q) = true", name)
		}
	}
}

// Nearly all random names in the form of Vite are recognized.
func TestHashedMissesFewRandomHashes(t *testing.T) {
	t.Parallel()
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	random := rand.New(rand.NewPCG(1, 2))
	missed, of := 0, 20_000
	for range of {
		hash := make([]byte, 8)
		for i := range hash {
			hash[i] = alphabet[random.IntN(len(alphabet))]
		}
		if !hashed("assets/index-" + string(hash) + ".js") {
			missed++
		}
	}
	if missed*50 > of {
		t.Errorf("%d of %d random hashes were missed, want at most one in 50", missed, of)
	}
}

func TestValidRange(t *testing.T) {
	t.Parallel()
	tests := []struct {
		lines string // separated by |
		size  int64
		want  string
	}{
		{"", 10, ""}, {"bytes=0-1|bytes=2-3", 10, ""},
		{"bytes=0-1", 10, "bytes=0-1"}, {"BYTES=0-1", 10, "bytes=0-1"}, {"Bytes =0-1", 10, ""},
		{"items=0-1", 10, ""}, {"bytes", 10, ""}, {"=0-1", 10, ""}, {"bytesx=0-1", 10, ""},
		{"bytes=-0", 10, "bytes=10-"}, {"bytes=-0,0-1", 10, "bytes=0-1"}, {"bytes=-00", 10, "bytes=10-"},
		{"bytes=-3", 10, "bytes=-3"}, {"bytes=-99", 10, "bytes=-99"}, {"bytes=-99999999999999999999", 10, "bytes=-9223372036854775807"},
		{"bytes=-1", 0, ""}, {"bytes=0-", 0, ""}, {"bytes=-0", 0, ""}, {"bytes=5-6", 0, ""},
		{"bytes=3-", 10, "bytes=3-9223372036854775807"}, {"bytes=10-", 10, "bytes=10-"}, {"bytes=99999999999999999999-", 10, "bytes=10-"},
		{"bytes=0-99999999999999999999", 10, "bytes=0-9223372036854775807"}, {"bytes= 0-1 , 4-5 ,", 10, "bytes=0-1,4-5"},
		{"bytes=0-1,20-30", 10, "bytes=0-1"}, {"bytes=20-30,-0", 10, "bytes=10-"},
		{"bytes=5-2", 10, "bytes=10-"}, {"bytes=", 10, ""}, {"bytes=-", 10, "bytes=10-"}, {"bytes=--1", 10, "bytes=10-"},
		{"bytes=a-b", 10, "bytes=10-"}, {"bytes=0-1,x", 10, "bytes=10-"}, {"bytes=+1-2", 10, "bytes=10-"}, {"bytes=0-1-2", 10, "bytes=10-"}, {"bytes=0 - 1", 10, "bytes=10-"}, {"bytes=1-+2", 10, "bytes=10-"}, {"bytes=a-b", 0, ""},
		{"bytes=" + strings.Repeat("0-0,", 33), 10, ""},
	}
	for _, tt := range tests {
		var lines []string
		if tt.lines != "" {
			lines = strings.Split(tt.lines, "|")
		}
		if got := validRange(lines, tt.size); got != tt.want {
			t.Errorf("validRange(%q, %d) = %q, want %q", lines, tt.size, got, tt.want)
		}
	}
}

func TestOpenFindsTheRoot(t *testing.T) {
	t.Parallel()
	file := &fstest.MapFile{Data: []byte("x")}
	for name, tt := range map[string]struct {
		files fstest.MapFS
		found string
	}{
		"at the top":       {fstest.MapFS{"index.html": file, "a/b.js": file}, "a/b.js"},
		"two levels down":  {fstest.MapFS{"ui/dist/index.html": file, "ui/dist/a.js": file}, "a.js"},
		"next to a folder": {fstest.MapFS{"ui/index.html": file, "ui/a/b.js": file}, "a/b.js"},
		"without an index": {fstest.MapFS{"ui/a.js": file, "ui/b.js": file}, "a.js"},
		"folder and file":  {fstest.MapFS{"README": file, "ui/index.html": file}, "ui/index.html"},
	} {
		s, err := Open(tt.files)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.lookup(tt.found); err != nil {
			t.Errorf("%s: %s: %v", name, tt.found, err)
		}
	}
}

// counting counts how often each file is opened.
type counting struct {
	fstest.MapFS
	opened map[string]int
}

func (c counting) Open(name string) (fs.File, error) {
	c.opened[name]++
	return c.MapFS.Open(name)
}

func TestETagIsComputedOnce(t *testing.T) {
	t.Parallel()
	files := counting{fstest.MapFS{"index.html": {Data: []byte("one")}, "b.txt": {Data: []byte("two")}}, map[string]int{}}
	s, err := Open(files)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := s.lookup("index.html")
	opened := files.opened["index.html"]
	again, _ := s.lookup("index.html")
	if a != again || files.opened["index.html"] != opened {
		t.Errorf("the second lookup opened the file again")
	}
	b, _ := s.lookup("b.txt")
	if a.etag == "" || a.etag == b.etag {
		t.Errorf("tags %q and %q", a.etag, b.etag)
	}
}
