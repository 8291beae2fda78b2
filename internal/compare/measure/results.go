package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// writeBlocks replaces the blocks of the given topics in a file. If file is "-", it
// prints the blocks.
func writeBlocks(file string, blocks map[string]string) error {
	if file == "-" {
		for _, topic := range slices.Sorted(maps.Keys(blocks)) {
			fmt.Printf("# %s\n\n%s\n", topic, blocks[topic])
		}
		return nil
	}
	before, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	text := string(before)
	for _, topic := range slices.Sorted(maps.Keys(blocks)) {
		if text, err = replaceBlock(text, topic, blocks[topic]); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return os.WriteFile(file, []byte(text), 0o644)
}

// topicsOf returns the topics that have a block in a file. "-" has all.
func topicsOf(file string, known []string) ([]string, error) {
	if file == "-" {
		return known, nil
	}
	text, err := os.ReadFile(file)
	return slices.DeleteFunc(slices.Clone(known), func(topic string) bool {
		return !strings.Contains(string(text), "<!-- begin "+topic+" -->")
	}), err
}

// replaceBlock replaces the text between the comments of a topic.
func replaceBlock(text, topic, block string) (string, error) {
	begin, end := "<!-- begin "+topic+" -->\n", "<!-- end "+topic+" -->\n"
	before, rest, found := strings.Cut(text, begin)
	if !found {
		return "", fmt.Errorf("no line %q", strings.TrimSpace(begin))
	}
	_, after, found := strings.Cut(rest, end)
	if !found {
		return "", fmt.Errorf("no line %q after %q", strings.TrimSpace(end), strings.TrimSpace(begin))
	}
	return before + begin + strings.TrimSpace(block) + "\n" + end + after, nil
}
