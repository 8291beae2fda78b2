package handshake

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestAcceptIsThatOfTheRFC(t *testing.T) {
	t.Parallel()
	if got := acceptKey("dGhlIHNhbXBsZSBub25jZQ=="); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Errorf("acceptKey = %q", got)
	}
}

func TestKeysDifferAndAreValid(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 100 {
		key := GenerateKey()
		if !isKey(key) || seen[key] {
			t.Fatalf("key %q", key)
		}
		seen[key] = true
	}
}

func FuzzIsKey(f *testing.F) {
	f.Add("dGhlIHNhbXBsZSBub25jZQ==")
	f.Add("dGhlIHNhbXBsZSBub25jZQ")
	f.Add("dGhlIHNhbXBsZSB\nub25jZQ==")
	f.Fuzz(func(t *testing.T, s string) {
		if isKey(s) && (len(s) != 24 || !strings.HasSuffix(s, "==") || strings.ContainsAny(s, "\r\n")) {
			t.Errorf("isKey(%q)", s)
		}
	})
}

func TestRebaseLosesNothing(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 300, 4096, 9000} {
		for _, held := range []string{"", "held "} {
			old := bufio.NewReaderSize(strings.NewReader(held), 4096)
			if held != "" {
				if _, err := old.Peek(1); err != nil {
					t.Fatal(err)
				}
			}
			a, b := net.Pipe()
			go func() {
				io.WriteString(b, "and new")
				b.Close()
			}()
			br := rebase(old, a, size)
			if size != 0 && br.Size() != size || size == 0 && br != old {
				t.Errorf("asked for a buffer of %d, got one of %d", size, br.Size())
			}
			if got, err := io.ReadAll(br); string(got) != held+"and new" || err != nil {
				t.Errorf("size %d: %q, %v", size, got, err)
			}
			a.Close()
		}
	}
}

func TestRebaseMakesAReaderWhereThereIsNone(t *testing.T) {
	t.Parallel()
	a, _ := net.Pipe()
	defer a.Close()
	for _, br := range []*bufio.Reader{nil, bufio.NewReaderSize(strings.NewReader(""), 16)} {
		if got := rebase(br, a, 0).Size(); got != 4096 {
			t.Errorf("buffer of %d bytes", got)
		}
	}
}

func TestChooseProtocolReadsEveryLine(t *testing.T) {
	t.Parallel()
	r := &http.Request{Header: http.Header{fieldProtocol: {"a, b", " c ,"}}}
	for want, offered := range map[string][]string{"": {"d"}, "c": {"d", "c", "a"}, "b": {"b"}} {
		if got := chooseProtocol(r, offered); got != want {
			t.Errorf("chooseProtocol(%q) = %q, want %q", offered, got, want)
		}
	}
}
