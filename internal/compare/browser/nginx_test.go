package browser_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/compare/tools"
	"github.com/stanza-go/framework/pkg/http/internal/testing/snippet"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// documented returns the block in docs/production.md that starts with the text.
func documented(t *testing.T, start string) string {
	t.Helper()
	code, err := snippet.Find("../../..", "docs/production.md", start)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// startNginx starts nginx with the documented configuration in front of a site, and
// returns its URL. The second instance in the configuration does not run.
func startNginx(t *testing.T, s *site) string {
	t.Helper()
	program := tools.Require(t, "nginx")
	dir := t.TempDir()
	address := strings.Replace(testkit.FreeAddress(t), "127.0.0.1", "127.0.0.2", 1) // no other test uses this host
	certFile, keyFile, _ := testkit.KeyPair(t)
	config := regexp.MustCompile(`(?m)^ *http2 on;.*\n`).ReplaceAllString(documented(t, "map $http_upgrade "), "")
	for old, now := range map[string]string{
		"listen 443 ssl;":          "listen " + address + " ssl http2;",
		"127.0.0.1:8080":           strings.TrimPrefix(s.url, "http://"),
		"127.0.0.1:8081":           "127.0.0.1:1",
		"certificate     cert.pem": fmt.Sprintf("certificate %q", certFile),
		"certificate_key key.pem":  fmt.Sprintf("certificate_key %q", keyFile),
	} {
		if strings.Count(config, old) != 1 {
			t.Fatalf("the configuration does not have %q once:\n%s", old, config)
		}
		config = strings.Replace(config, old, now, 1)
	}
	directories := ""
	for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		directories += fmt.Sprintf("%s_temp_path %s;\n", name, filepath.Join(dir, name))
	}
	path := filepath.Join(dir, "nginx.conf")
	config = fmt.Sprintf("daemon off;\nmaster_process off;\npid %s/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n%s%s}\n",
		dir, directories, config)
	if err := os.WriteFile(path, []byte(config), 0o666); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-p", dir, "-e", "stderr", "-c", path)
	var printed testkit.Log
	cmd.Stderr = &printed
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // fails only if it has ended already
		_ = cmd.Wait()         // reports the kill
	})
	for start := time.Now(); ; {
		conn, err := net.DialTimeout("tcp", address, testkit.Patience)
		if err == nil {
			_ = conn.Close() // nothing was sent
			return "https://" + address
		}
		if time.Since(start) > testkit.Patience {
			t.Fatalf("%v\n%s", err, &printed)
		}
	}
}
