package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A result is what benchstat says of one benchmark.
type result struct {
	function string // Router, of BenchmarkRouter/row=static/by=chi-2
	row      string // static; with the processors, if the rows differ in them
	by       string // chi

	figures map[string]figure // by unit: "sec/op", "allocs/op"
}

// A figure is a median and how far from it, in either direction, the true one
// may lie with 95% confidence, as benchstat writes it: "3%", or "∞" if there
// are too few rounds to tell.
type figure struct {
	value  float64
	spread string
}

// parseBenchstat reads the tables of benchstat -format csv -row .fullname, one
// for each unit: a line of the unit, and one for each benchmark.
func parseBenchstat(text []byte) ([]result, error) {
	lines := csv.NewReader(bytes.NewReader(text))
	lines.FieldsPerRecord = -1
	records, err := lines.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("benchstat's output: %w", err)
	}
	var results []result
	places := map[string]int{} // in results, by the benchmark's full name
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

// parseName takes a benchmark's full name apart, such as
// Router/row=static/by=chi-2.
func parseName(name string) (result, error) {
	function, rest, ok := strings.Cut(name, "/row=")
	row, by, ok2 := strings.Cut(rest, "/by=")
	if !ok || !ok2 {
		return result{}, fmt.Errorf("benchmark %q is not named Function/row=…/by=…", name)
	}
	// Go appends the number of processors where it is not one.
	if i := strings.LastIndexByte(by, '-'); i >= 0 {
		if _, err := strconv.Atoi(by[i+1:]); err == nil {
			return result{function, row, by[:i], map[string]figure{}}, nil
		}
	}
	return result{function, row + ", 1 CPU", by, map[string]figure{}}, nil
}

// table makes a Markdown table: a line for each row, a column for each
// contestant. What is in its cells is told above it.
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

// places lists the rows and contestants of results, each in the order in which
// it first comes, but ours before the others.
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

// cell writes a contestant's time, as a multiple of ours, and its allocations.
// Our own time is written as it is, and one that there is none of ours beside.
func cell(r, base *result) string {
	if r == nil {
		return ""
	}
	text := duration(r.figures["sec/op"].value)
	if multiple, ok := r.figures[ratio]; ok && r != base {
		text = fmt.Sprintf("%.2f ±%s", multiple.value, multiple.spread)
	}
	text += fmt.Sprintf(", %s", strconv.FormatFloat(r.figures["allocs/op"].value, 'f', -1, 64))
	if perKey, ok := r.figures["B/key"]; ok && perKey.value > 0 {
		text += fmt.Sprintf(", %.0f B", perKey.value)
	}
	return text
}

// duration writes seconds with three digits and a unit that suits them.
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
