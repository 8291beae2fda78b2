package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/testing/snippet"
)

// A proxy is a running nginx or Caddy in front of the instances.
type proxy struct {
	cmd  *exec.Cmd
	addr string
	dir  string // of its configuration and logs
}

// Names of the files in the proxy's directory.
const (
	accessLog = "access.log"
	errorLog  = "error.log"
)

// startProxy starts the proxy of a setup with the configuration of docs/production.md.
// It changes only addresses, certificates, logging, and what the setup requires.
func startProxy(root, dir string, s setup, instances [2]string) (*proxy, error) {
	p := &proxy{addr: freeAddress(), dir: dir}
	start := map[string]string{"nginx": "map $http_upgrade ", "caddy": "example.com {"}[s.proxy]
	config, err := snippet.Find(root, "docs/production.md", start)
	if err != nil {
		return nil, err
	}
	if s.proxy == "nginx" {
		config, err = p.nginx(config, s)
	} else {
		config, err = p.caddy(config)
	}
	if err != nil {
		return nil, err
	}
	config, err = replace(config, "127.0.0.1:8080", instances[0], "127.0.0.1:8081", instances[1])
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, s.proxy+".conf")
	if err := os.WriteFile(path, []byte(config), 0o666); err != nil {
		return nil, err
	}
	args := []string{"-p", dir, "-e", filepath.Join(dir, errorLog), "-c", path}
	if s.proxy == "caddy" {
		args = []string{"run", "--adapter", "caddyfile", "--config", path}
	}
	p.cmd = exec.Command(s.proxy, args...)
	p.cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	output := new(bytes.Buffer)
	p.cmd.Stdout, p.cmd.Stderr = output, output
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	if err := waitUntilReady(p.addr, time.Now().Add(patience)); err != nil {
		p.stop()
		return nil, fmt.Errorf("%s: %w\n%s", s.proxy, err, output)
	}
	return p, nil
}

// stop kills the proxy, which closes all its connections.
func (p *proxy) stop() {
	_ = p.cmd.Process.Kill() // fails only if it has ended already
	_ = p.cmd.Wait()         // reports the kill
}

// replace replaces texts in the configuration. oldNew lists pairs of an old text, which must
// occur once, and its replacement.
func replace(config string, oldNew ...string) (string, error) {
	for i := 0; i < len(oldNew); i += 2 {
		if strings.Count(config, oldNew[i]) != 1 {
			return "", fmt.Errorf("the configuration does not have %q once:\n%s", oldNew[i], config)
		}
		config = strings.Replace(config, oldNew[i], oldNew[i+1], 1)
	}
	return config, nil
}

// nginx returns a complete configuration of one process without TLS.
func (p *proxy) nginx(config string, s setup) (string, error) {
	config = regexp.MustCompile(`(?m)^ *(http2 on|ssl_certificate(_key)?\b).*\n`).ReplaceAllString(config, "")
	changes := []string{"listen 443 ssl;", "listen " + p.addr + ";"}
	if s.keepAlive {
		changes = append(changes, "upstream app {", "upstream app {\n    keepalive 32;")
	}
	config, err := replace(config, changes...)
	if err != nil {
		return "", err
	}
	paths := ""
	for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		paths += fmt.Sprintf("%s_temp_path %s;\n", name, filepath.Join(p.dir, name))
	}
	const format = "daemon off;\nmaster_process off;\npid pid;\nerror_log %s warn;\nevents { worker_connections 8192; }\nhttp {\n" +
		"log_format attempts '$request_method $status $upstream_status';\naccess_log %s attempts;\n%s%s}\n"
	return fmt.Sprintf(format, errorLog, filepath.Join(p.dir, accessLog), paths, config), nil
}

// caddy returns a configuration without TLS and without the API.
func (p *proxy) caddy(config string) (string, error) {
	const options = "{\nadmin off\nauto_https off\nlog {\noutput file %s\nformat json\n}\n}\n"
	config, err := replace(config, "example.com {", "http://"+p.addr+" {")
	return fmt.Sprintf(options, filepath.Join(p.dir, errorLog)) + config, err
}

// retried returns how many requests the proxy sent to the other instance because the first
// attempt failed. It returns 0 for Caddy, which does not log them.
func (p *proxy) retried() (int, error) {
	text, err := os.ReadFile(filepath.Join(p.dir, accessLog))
	if os.IsNotExist(err) {
		return 0, nil
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, ", ") { // two values of $upstream_status
			n++
		}
	}
	return n, err
}

var (
	nginxCause = regexp.MustCompile(`\*\d+ (?:\S+ failed \(\d+: )?([^,()]*)\)?( while [a-z ]*)?`)
	endpoints  = regexp.MustCompile(`\d+\.\d+\.\d+\.\d+:\d+(->)?`)
)

// causes counts the messages in the proxy's error log.
func (p *proxy) causes() (map[string]int, error) {
	text, err := os.ReadFile(filepath.Join(p.dir, errorLog))
	causes := make(map[string]int)
	for line := range strings.Lines(string(text)) {
		var entry struct{ Level, Logger, Msg, Error string }
		switch cause := nginxCause.FindStringSubmatch(line); {
		case cause != nil:
			causes[cause[1]+cause[2]]++
		case json.Unmarshal([]byte(line), &entry) == nil && entry.Level == "error" && entry.Logger == "http.log.error":
			message := strings.TrimSpace(endpoints.ReplaceAllString(entry.Msg, ""))
			causes[strings.Join(strings.Fields(message), " ")]++
		}
	}
	return causes, err
}
