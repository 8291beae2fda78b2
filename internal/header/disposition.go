package header

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxFilename is the maximum length of the untrusted part of a file name in
// bytes. Common file systems allow 255 for the whole name.
const maxFilename = 200

// Attachment returns the Content-Disposition value of a download to be saved under
// name followed by suffix. The name may be untrusted; see [CleanFilename]. The
// suffix, for example "-20260322.csv", must be printable ASCII without quotes,
// backslashes or separators.
//
// If the file name is a token (RFC 9110, section 5.6.2), it is not quoted, because
// many scripts cut it out of the header without parsing quoted strings. If it
// is not ASCII, it is sent twice, as RFC 6266, section 4.3 recommends: in
// filename with underscores, and in filename* in the encoding of RFC 8187.
func Attachment(name, suffix string) string {
	full := CleanFilename(name, "export") + suffix
	if IsToken(full) {
		return "attachment; filename=" + full
	}
	ascii := toASCII(full)
	value := `attachment; filename="` + ascii + `"`
	if ascii != full {
		value += "; filename*=UTF-8''" + extValue(full)
	}
	return value
}

// CleanFilename returns an untrusted name in a form that is safe in a header and
// as a file name. It replaces with underscores all characters that could end the
// quoted string or the header line, name another directory, hide the file or its
// type, or are reserved in file names on common systems. It limits the length,
// removes surrounding white space, and replaces leading dots with an underscore.
// If nothing remains, it returns fallback.
func CleanFilename(name, fallback string) string {
	clean := strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) || strings.ContainsRune(`"\/:;*?<>|%`, r) {
			return '_'
		}
		return r
	}, name)
	clean = strings.TrimSpace(clean)
	for len(clean) > maxFilename {
		_, size := utf8.DecodeLastRuneInString(clean)
		clean = clean[:len(clean)-size]
	}
	// A leading dot hides the file, and two dots mean the parent directory.
	if kept := strings.TrimLeft(clean, "."); kept != clean {
		clean = "_" + kept
	}
	if clean == "" {
		return fallback
	}
	return clean
}

// toASCII replaces every character outside ASCII with an underscore.
func toASCII(s string) string {
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

// isAttrChar reports whether an extended value can contain c without encoding.
func isAttrChar(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		strings.IndexByte("!#$&+-.^_`|~", c) >= 0
}
