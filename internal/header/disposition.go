package header

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName bounds a file name in bytes; common file systems allow 255.
const maxName = 200

// Attachment returns the header value for a download that is to be saved under
// name followed by suffix. The suffix, such as "-20260322.csv", comes from the
// program and must be printable ASCII without quotes, backslashes and
// separators.
//
// The name may come from anywhere. Characters that could end the quoted string
// or the header line, lead out of the download folder, hide the file or its
// type, or are reserved in file names on common systems become underscores;
// see [Clean].
//
// If the file name is a token (RFC 9110, section 5.6.2), it is sent without
// quotes, since many scripts cut it out of the header without parsing quoted
// strings. If not, it is quoted. A name that is not ASCII is sent twice, as
// RFC 6266, section 4.3 recommends: with underscores in filename, and in full
// in filename*, in the encoding of RFC 8187.
func Attachment(name, suffix string) string {
	full := Clean(name) + suffix
	if IsToken(full) {
		return "attachment; filename=" + full
	}
	ascii := asciiOnly(full)
	value := `attachment; filename="` + ascii + `"`
	if ascii != full {
		value += "; filename*=UTF-8''" + extValue(full)
	}
	return value
}

// Clean returns name with every character replaced that is not safe in a file
// name, cut to a sensible length, without white space around it, and with no
// dot in front. A name of which nothing is left becomes "export".
func Clean(name string) string {
	clean := strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) || strings.ContainsRune(`"\/:;*?<>|%`, r) {
			return '_'
		}
		return r
	}, name)
	clean = strings.TrimSpace(clean)
	for len(clean) > maxName {
		_, size := utf8.DecodeLastRuneInString(clean)
		clean = clean[:len(clean)-size]
	}
	// Dots in front hide a file, or name a folder above.
	if kept := strings.TrimLeft(clean, "."); kept != clean {
		clean = "_" + kept
	}
	if clean == "" {
		return "export"
	}
	return clean
}

// asciiOnly replaces every character outside ASCII with an underscore.
func asciiOnly(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= utf8.RuneSelf {
			return '_'
		}
		return r
	}, s)
}

// extValue encodes s as the value-chars of RFC 8187, section 3.2.1.
func extValue(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(s) {
		if isAttrChar(c) {
			b.WriteByte(c)
		} else {
			b.WriteString(string([]byte{'%', hex[c>>4], hex[c&15]}))
		}
	}
	return b.String()
}

// isAttrChar reports whether c may stand for itself in an extended value.
func isAttrChar(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		strings.IndexByte("!#$&+-.^_`|~", c) >= 0
}
