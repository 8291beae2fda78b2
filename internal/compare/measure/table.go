package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A result is benchstat's result for one benchmark.
type result struct {
	function string // for example Router, of BenchmarkRouter/row=static/by=chi-2
	row      string // for example static, with the number of processors if it varies
	by       string // for example chi

	figures map[string]figure // by unit: "sec/op", "allocs/op"
}

// A figure is a median and its 95% confidence interval as benchstat writes it,
// for example "3%", or "∞" if there are too few rounds.
type figure struct {
	value  float64
	spread string
}

// parseBenchstat parses the output of benchstat -format csv -row .fullname. It
// consists of one table for each unit, with a line for the unit and a line for
// each benchmark.
func parseBenchstat(text []byte) ([]result, error) {
	lines := csv.NewReader(bytes.NewReader(text))
	lines.FieldsPerRecord = -1
	records, err := lines.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("benchstat's output: %w", err)
	}
	var results []result
	places := map[string]int{} // indexes in results, by the benchmark's full name
	unit := ""
	for _, record := range records {
		if len(record) < 3 || record[0] == "geomean" {
			continue
		}
		if record[0] == "" {
			unit = record[1]
			continue
		}
		place, known := places[record[0]]
		if !known {
			r, err := parseName(record[0])
			if err != nil {
				return nil, err
			}
			place = len(results)
			places[record[0]] = place
			results = append(results, r)
		}
		value, err := strconv.ParseFloat(record[1], 64)
		if err != nil {
			return nil, fmt.Errorf("benchstat's output: %s in %s: %w", record[0], unit, err)
		}
		results[place].figures[unit] = figure{value, record[2]}
	}
	return results, nil
}

// parseName splits a benchmark's full name, for example
// Router/row=static/by=chi-2.
func parseName(name string) (result, error) {
	function, rest, ok := strings.Cut(name, "/row=")
	row, by, ok2 := strings.Cut(rest, "/by=")
	if !ok || !ok2 {
		return result{}, fmt.Errorf("benchmark %q is not named Function/row=…/by=…", name)
	}
	// Go appends the number of processors if it is not 1.
	if i := strings.LastIndexByte(by, '-'); i >= 0 {
		if _, err := strconv.Atoi(by[i+1:]); err == nil {
			return result{function, row, by[:i], map[string]figure{}}, nil
		}
	}
	return result{function, row + ", 1 CPU", by, map[string]figure{}}, nil
}

// table returns a Markdown table with a line for each row and a column for each
// contestant. The text of RESULTS.md explains the cells.
func table(results []result) string {
	rows, columns := places(results)
	var b strings.Builder
	b.WriteString("| |")
	for _, by := range columns {
		b.WriteString(" " + by + " |")
	}
	b.WriteString("\n|---" + strings.Repeat("|---", len(columns)) + "|\n")
	for _, row := range rows {
		b.WriteString("| " + row + " |")
		base := find(results, row, ours)
		for _, by := range columns {
			b.WriteString(" " + cell(find(results, row, by), base) + " |")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// places returns the rows and contestants of results in order of first
// appearance, except that ours comes first.
func places(results []result) (rows, columns []string) {
	columns = []string{ours}
	for _, r := range results {
		if !slices.Contains(rows, r.row) {
			rows = append(rows, r.row)
		}
		if !slices.Contains(columns, r.by) {
			columns = append(columns, r.by)
		}
	}
	return rows, columns
}

func find(results []result, row, by string) *result {
	i := slices.IndexFunc(results, func(r result) bool { return r.row == row && r.by == by })
	if i < 0 {
		return nil
	}
	return &results[i]
}

// cell formats a contestant's time as a multiple of ours, and its allocations.
// For our own result, and if there is no result of ours, it formats the time
// itself.
func cell(r, base *result) string {
	if r == nil {
		return ""
	}
	text := duration(r.figures["sec/op"].value)
	if multiple, ok := r.figures[ratio]; ok && r != base {
		text = fmt.Sprintf("%.2f ±%s", multiple.value, multiple.spread)
	}
	text += fmt.Sprintf(", %s", strconv.FormatFloat(r.figures["allocs/op"].value, 'f', -1, 64))
	if speed, ok := r.figures["B/s"]; ok && speed.value > 0 { // only rows with large bodies have a speed
		text += fmt.Sprintf(", %s KB", strconv.FormatFloat(r.figures["B/op"].value/1000, 'f', 0, 64))
	}
	if perKey, ok := r.figures["B/key"]; ok && perKey.value > 0 {
		text += fmt.Sprintf(", %.0f B", perKey.value)
	}
	return text
}

// duration formats seconds with three digits and a suitable unit.
func duration(seconds float64) string {
	unit := "ns"
	value := seconds * 1e9
	for _, larger := range []string{"µs", "ms", "s"} {
		if value < 1000 {
			break
		}
		value, unit = value/1000, larger
	}
	return strconv.FormatFloat(value, 'g', 3, 64) + " " + unit
}
