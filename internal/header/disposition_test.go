package header

import (
	"mime"
	"strings"
	"testing"
	"unicode/utf8"
)

var filenames = []struct{ name, want string }{
	{"users", `attachment; filename=users-1.csv`},
	{"My users (all)", `attachment; filename="My users (all)-1.csv"`},
	{"", `attachment; filename=export-1.csv`},
	{" \t ", `attachment; filename=_-1.csv`},
	{"a\"; filename=evil.bat\r\nX: y", `attachment; filename="a__ filename=evil.bat__X_ y-1.csv"`},
	{"über", `attachment; filename="_ber-1.csv"; filename*=UTF-8''%C3%BCber-1.csv`},
	{"日本 1", `attachment; filename="__ 1-1.csv"; filename*=UTF-8''%E6%97%A5%E6%9C%AC%201-1.csv`},
	{"../x", `attachment; filename=__x-1.csv`},
	{`..\..\x`, `attachment; filename=__.._x-1.csv`},
	{"/etc/passwd", `attachment; filename=_etc_passwd-1.csv`},
	{".bashrc", `attachment; filename=_bashrc-1.csv`},
	{"...", `attachment; filename=_-1.csv`},
	{"C:x", `attachment; filename=C_x-1.csv`},
	{"a%20b", `attachment; filename=a_20b-1.csv`},
	{"a\x00b\x7fc", `attachment; filename=a_b_c-1.csv`},
	{"gpj.\u202eexe", `attachment; filename=gpj._exe-1.csv`},
	{"bad\xff", `attachment; filename=bad_-1.csv`},
	{"it's", `attachment; filename=it's-1.csv`},
	{"ü'(x)", `attachment; filename="_'(x)-1.csv"; filename*=UTF-8''%C3%BC%27%28x%29-1.csv`},
	{strings.Repeat("a", 300), `attachment; filename=` + strings.Repeat("a", 200) + `-1.csv`},
	{"a b", `attachment; filename="a b-1.csv"`},
	{"a,b", `attachment; filename="a,b-1.csv"`},
	{"a=b", `attachment; filename="a=b-1.csv"`},
	{"a@b", `attachment; filename="a@b-1.csv"`},
	{"(a)", `attachment; filename="(a)-1.csv"`},
	{"a{b}[c]", `attachment; filename="a{b}[c]-1.csv"`},
	{"!#$&+-.^_`~A0", "attachment; filename=!#$&+-.^_`~A0-1.csv"},
}

func TestAttachment(t *testing.T) {
	t.Parallel()
	for _, tt := range filenames {
		if got := Attachment(tt.name, "-1.csv"); got != tt.want {
			t.Errorf("Attachment(%.40q)\n gives %s\n want  %s", tt.name, got, tt.want)
		}
	}
}

// A script that splits the header at "filename=" must get exactly the name.
func TestATokenIsSentWithoutQuotes(t *testing.T) {
	t.Parallel()
	_, file, _ := strings.Cut(Attachment("users", "-20260322.csv"), "filename=")
	if file != "users-20260322.csv" {
		t.Errorf("a script reads %q", file)
	}
}

func TestLongNamesAreCutBetweenCharacters(t *testing.T) {
	t.Parallel()
	name := CleanFilename("a"+strings.Repeat("ü", 200), "")
	if !utf8.ValidString(name) || len(name) > 200 {
		t.Errorf("a name of %d bytes, valid UTF-8: %v", len(name), utf8.ValidString(name))
	}
}

func FuzzAttachment(f *testing.F) {
	for _, tt := range filenames {
		f.Add(tt.name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		value := Attachment(name, "-20260322.csv")
		for _, c := range []byte(value) {
			if c < ' ' || c > '~' {
				t.Fatalf("%q puts byte %#x into the header: %q", name, c, value)
			}
		}
		kind, params, err := mime.ParseMediaType(value)
		if err != nil || kind != "attachment" || len(params) != 1 {
			t.Fatalf("%q gives %q, parsed as %q %q: %v", name, value, kind, params, err)
		}
		bare, quotes := strings.TrimPrefix(value, "attachment; filename="), strings.Contains(value, `"`)
		if IsToken(params["filename"]) == quotes || !quotes && bare != params["filename"] {
			t.Errorf("%q gives %q", name, value)
		}
		// ParseMediaType prefers filename*, so filename is checked separately.
		plain, _, _ := strings.Cut(value, "; filename*=")
		_, plainParams, err := mime.ParseMediaType(plain)
		if err != nil {
			t.Fatalf("%q: plain part %q: %v", name, plain, err)
		}
		for _, file := range []string{params["filename"], plainParams["filename"]} {
			if !strings.HasSuffix(file, "-20260322.csv") || strings.HasPrefix(file, ".") ||
				strings.ContainsAny(file, "\"\\/:;%\r\n\x00") || len(file) > 255 || !utf8.ValidString(file) {
				t.Errorf("%q becomes the file name %q", name, file)
			}
		}
	})
}
