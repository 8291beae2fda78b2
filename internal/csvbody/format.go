package csvbody

import (
	"strings"
	"unicode/utf8"
)

// A Format is the format of a file. The zero value is that of WriteCSV in the root
// package, which documents the fields in CSVOptions.
type Format struct {
	Delimiter      rune // 0 means a comma
	BOM            bool
	EscapeFormulas bool
}

// byteOrderMark is U+FEFF in UTF-8.
const byteOrderMark = "\ufeff"

// CheckDelimiter returns the reason why readers could not find the cells of a file
// with this delimiter, or "". Zero is valid.
func CheckDelimiter(delimiter rune) (reason string) {
	switch delimiter {
	case 0:
		return ""
	case '"', '\r', '\n':
		return "has another meaning in CSV"
	case '#':
		return "starts a comment for many CSV readers"
	case '\ufeff':
		return "is the byte order mark"
	}
	if !utf8.ValidRune(delimiter) || delimiter == utf8.RuneError {
		return "is not a valid character"
	}
	return ""
}

// isFormula reports whether spreadsheets may evaluate a cell. These are the first
// characters that OWASP lists for CSV injection, with those that spreadsheets remove
// and the full-width forms that some of them convert. A negative number is a value.
func isFormula(cell string) bool {
	cell = strings.TrimPrefix(cell, byteOrderMark) // some readers remove it
	if cell == "" {
		return false
	}
	switch cell[0] {
	case '=', '+', '@', '\t', '\r', '\n', 0:
		return true
	case '-':
		return !isUnsignedNumber(cell[1:])
	case "＝"[0]:
		first, _ := utf8.DecodeRuneInString(cell)
		return strings.ContainsRune("＝＋－＠", first)
	}
	return false
}

// isUnsignedNumber reports whether s is a number such as 1234, .5, 1,234.50, 1.234,50
// or 1e-9. Such a text contains no reference, operator or function, so it is harmless
// after a minus sign.
func isUnsignedNumber(s string) bool {
	const digits = "0123456789"
	rest := strings.TrimLeft(s, digits+".,")
	if mantissa := s[:len(s)-len(rest)]; !strings.ContainsAny(mantissa, digits) {
		return false
	}
	if rest == "" {
		return true
	}
	if rest[0] != 'e' && rest[0] != 'E' {
		return false
	}
	exponent := rest[1:]
	if exponent != "" && (exponent[0] == '+' || exponent[0] == '-') {
		exponent = exponent[1:]
	}
	return exponent != "" && strings.TrimLeft(exponent, digits) == ""
}
