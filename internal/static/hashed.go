package static

import (
	"path"
	"strings"
)

// hashed reports whether a file's name contains a hash of its content, so that caches
// can keep the file forever.
//
// Bundlers write the hash after the last - or . before the extension or, in a chunk,
// before a suffix such as .chunk:
//
//	index-DDmkKxTU.js              Vite, Rollup: 8 characters of base64url
//	vendor-react-BSP-73WU.js       the same, with a dash in the hash
//	chunk-KXQHWZUA.js              esbuild, Angular: 8 characters of base32
//	main.3f2a1b9c.chunk.js         webpack, Parcel: hexadecimal
//	6ce24c58023cc2f8fd88.png       webpack: only a hash, of 20 or more digits
//	_next/static/css/9f0e1d2c.css  folders that contain only hashed files
//
// Words, numbers, dates, sizes and versions are not hashes, for example in
// jquery-validate.js, page-UserCard.js, report-20240101.pdf and icon-1024x768.png.
// Neither are UUIDs, because the content of such files may change.
//
// The result is false in case of doubt. A browser then revalidates a file that has
// not changed, whereas after the opposite mistake it would use an outdated file.
func hashed(name string) bool {
	if strings.HasPrefix(name, "_next/static/") || strings.HasPrefix(name, "_app/immutable/") {
		return true // a convention of Next.js and SvelteKit
	}
	base := path.Base(name)
	ext := path.Ext(base)
	stem := strings.TrimSuffix(base, ext)
	if ext == ".map" {
		ext = path.Ext(stem)
		stem = strings.TrimSuffix(stem, ext)
	}
	for _, kind := range []string{".min", ".chunk", ".bundle", ".module", ".worker"} {
		stem = strings.TrimSuffix(stem, kind)
	}
	code := ext == ".js" || ext == ".mjs" || ext == ".css"
	i := strings.LastIndexAny(stem, "-.")
	if i < 0 {
		return (strings.HasPrefix(name, "_nuxt/") || len(stem) >= bareHash && isHex(stem)) && isHash(stem, code)
	}
	if i == 0 || isUUID(stem) {
		return false
	}
	if isHash(stem[i+1:], code) {
		return true
	}
	// A hash in base64url may contain a dash, also at the beginning or end.
	i = len(stem) - rollupHash
	return i > 1 && (stem[i-1] == '-' || stem[i-1] == '.') && strings.Contains(stem[i:], "-") && isHash(stem[i:], code)
}

// Lengths of hashes.
const (
	// rollupHash is the default length in Rollup and esbuild.
	rollupHash = 8
	// longHash is the minimum length of longer hashes that are not hexadecimal.
	// Rollup can be configured to write up to 21 characters.
	longHash = 16
	// bareHash is the minimum length of a hash that is the whole name.
	bareHash = 20
)

// isHash reports whether s looks like a hash and not like a name that people choose.
// code reports whether the file is a script or a style sheet; for these, s may be
// shorter and may look more like a word.
func isHash(s string, code bool) bool {
	if strings.Trim(s, base64url) != "" {
		return false
	}
	if isHex(s) {
		changes, digits := transitions(s)
		dated := changes == 1 && digits && !isDigit(s[len(s)-1]) && isDigit(s[len(s)-2]) // 20240101b
		return len(s) >= 8 && changes > 0 && !dated || code && len(s) >= 4 && changes > 1
	}
	if len(s) < rollupHash {
		return false
	}
	if code && len(s) == rollupHash && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == "" {
		return true
	}
	if !code && s == strings.ToUpper(s) && strings.ContainsAny(s, "0189") {
		return false // FY2024Q1, INV00042: not base32
	}
	// Bundlers write 8 characters or many more. Names can have any length.
	if len(s) > rollupHash && len(s) < longHash {
		return false
	}
	for part := range strings.FieldsFuncSeq(s, func(c rune) bool { return c == '-' || c == '_' }) {
		if !isOrdinary(part) {
			return true
		}
	}
	return false
}

// isHex reports whether s is hexadecimal in lower case, as hashes are.
func isHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }

// isUUID reports whether s ends with text whose hyphens are placed as in a UUID.
func isUUID(s string) bool {
	if len(s) < 36 {
		return false
	}
	for i, c := range []byte(s[len(s)-36:]) {
		if hyphen := i == 8 || i == 13 || i == 18 || i == 23; hyphen != (c == '-') {
			return false
		}
	}
	return true
}

const base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// transitions returns the number of changes between letters and digits in s.
// startsWithDigit reports whether s starts with a digit.
func transitions(s string) (n int, startsWithDigit bool) {
	for i := 1; i < len(s); i++ {
		if isDigit(s[i]) != isDigit(s[i-1]) {
			n++
		}
	}
	return n, s != "" && isDigit(s[0])
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

// isOrdinary reports whether people would choose s, which consists of letters and
// digits, as a part of a name: words, a number, a number with a unit or with a word
// before it, a size, or a time.
func isOrdinary(s string) bool {
	changes, digits := transitions(s)
	switch {
	case changes == 0 && digits:
		return true
	case changes == 0:
		return isWords(s)
	case changes == 1 && digits: // 1080p, 16px, 2024Q, 700italic
		unit := strings.TrimLeft(s, "0123456789")
		return len(unit) == 1 || unit == strings.ToLower(unit)
	case changes == 1: // v20240101, section12, UTF8
		return isWords(strings.TrimRight(s, "0123456789"))
	case changes == 2 && digits: // 1024x768, 20240101T1200, 15Jan2024
		between := strings.Trim(s, "0123456789")
		return between == "x" || between == "T" || len(between) == 3 && isUpper(between[0]) && isPronounceable(strings.ToLower(between)) && between[1:] == strings.ToLower(between[1:])
	case changes == 2: // D3Charts, css3anim
		before, after := s[:strings.IndexAny(s, "0123456789")], s[strings.LastIndexAny(s, "0123456789")+1:]
		if len(before)+1+len(after) < max(len(s), rollupHash) || !isPronounceable(strings.ToLower(after)) {
			return false
		}
		return s == strings.ToLower(s) || len(before) == 1 && isUpper(after[0]) && isWords(after)
	}
	for word := range strings.FieldsFuncSeq(s, func(c rune) bool { return '0' <= c && c <= '9' }) {
		if len(word) < 3 || word != strings.ToLower(word) || !isPronounceable(word) {
			return false
		}
	}
	return true // 1bedroom2bath
}

// isWords reports whether s, which consists of letters, is one or more words. They
// are all in lower case, all in upper case, or pronounceable and capitalized. Among
// longer words, one may be an abbreviation in capitals, as in GraphQL and DesktopXL.
func isWords(s string) bool {
	if s == strings.ToLower(s) || s == strings.ToUpper(s) {
		return true
	}
	shortest, abbreviations := len(s), 0
	for len(s) > 0 {
		capitals := 0
		for capitals < len(s) && isUpper(s[capitals]) {
			capitals++
		}
		n := max(capitals, 1)
		switch {
		case capitals > 1:
			if abbreviations++; capitals < len(s) {
				n-- // the last capital begins the next word
			}
		default:
			for n < len(s) && !isUpper(s[n]) {
				n++
			}
			if !isPronounceable(strings.ToLower(s[:n])) {
				return false
			}
			shortest = min(shortest, n)
		}
		s = s[n:]
	}
	return abbreviations == 0 || abbreviations == 1 && shortest > 4
}

// isPronounceable reports whether a word in lower case has a vowel, begins like an
// English word, and has no more consecutive consonants than English words have.
func isPronounceable(word string) bool {
	vowel := strings.IndexAny(word, "aeiouy")
	if vowel < 0 || vowel > 3 {
		return false
	}
	if vowel > 1 && !strings.Contains(onsets, " "+word[:2]+" ") {
		return false
	}
	for run := range strings.FieldsFuncSeq(word[vowel:], func(c rune) bool { return strings.ContainsRune("aeiouy", c) }) {
		if len(digraphs.Replace(run)) > 2 && !strings.Contains(clusters, " "+run+" ") {
			return false
		}
	}
	return true
}

// digraphs replaces pairs of letters that stand for one consonant with one letter.
var digraphs = strings.NewReplacer("ch", "c", "ck", "k", "gh", "g", "ph", "f", "sh", "s", "th", "t")

// onsets are the pairs of consonants at the beginning of English words.
const onsets = " bl br ch cl cr dr dw fl fr gh gl gn gr kn ph pl pr ps qu rh sc sh sk sl sm sn sp sq st sv sw th tr ts tw wh wr "

// clusters are longer runs of consonants that are common inside words.
const clusters = " bbl bstr chn cks ckl cts dds dgr ffl ffs ggl ghl ght lds lls lph lts mbl mbn mpl mpr mps mpt nch ncl ncr nct nds ndl ndr ndw ngl ngr ngs ngt ngth nkl nks nsf nsl nsp nst ntl ntr nts ppl ppr pps ptr pts rch rds rdw rgs rks rkd rkfl rkt rls rms rns rph rsh rst rtc rth rts scr sks sph spl spr ssw sts str tch tbl tdr thl tls tmp ttl tts wnl wns xpl xpr xtr "
