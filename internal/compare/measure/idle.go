package main

import (
	"errors"
	"strings"
)

// measureIdle runs the test of idle connections, which prints their memory, and
// returns its output.
func measureIdle() (string, error) {
	out, err := output("go", "test", "./websocket", "-run", "^TestIdleConnections$", "-count=1", "-v")
	if err != nil {
		return "", err
	}
	_, printed, found := strings.Cut(string(out), "TestIdleConnections\n    idle_test.go:")
	if !found {
		_, printed, found = strings.Cut(string(out), "    idle_test.go:")
	}
	_, printed, ok := strings.Cut(printed, ": ")
	if !found || !ok {
		return "", errors.New("the test of idle connections printed no figures")
	}
	var lines []string
	for line := range strings.Lines(printed) {
		line, indented := strings.CutPrefix(line, "        ")
		if len(lines) > 0 && !indented {
			break
		}
		lines = append(lines, line)
	}
	return "```\n" + strings.Join(lines, "") + "```\n", nil
}
