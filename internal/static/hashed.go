package static

import (
	"path"
	"strings"
)

// Hashed reports whether a file's name changes with its content, so that
// caches may keep the file for good.
//
// Bundlers put a hash of the content behind the last - or . before the
// extension, or behind the name that a chunk has:
//
//	index-DDmkKxTU.js              Vite, Rollup: 8 of base64url
//	vendor-react-BSP-73WU.js       the same, with a dash in it
//	chunk-KXQHWZUA.js              esbuild, Angular: 8 of base32
//	main.3f2a1b9c.chunk.js         webpack, Parcel: hexadecimal
//	6ce24c58023cc2f8fd88.png       webpack: nothing but a hash, of 20 or more
//	_next/static/css/9f0e1d2c.css  folders that hold nothing else
//
// What looks like words, numbers, dates, sizes or versions is no hash:
// jquery-validate.js, page-UserCard.js, report-20240101.pdf, icon-1024x768.png.
// Nor is a UUID, by which files are named that change.
// If in doubt Hashed returns false. A browser then asks once more than it
// needs to, while the opposite mistake would make it keep an old file.
func Hashed(name string) bool {
	if strings.HasPrefix(name, "_next/static/") || strings.HasPrefix(name, "_app/immutable/") {
		return true // by convention of Next.js and SvelteKit
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
		return (strings.HasPrefix(name, "_nuxt/") || len(stem) >= 20 && isHex(stem)) && isHash(stem, code)
	}
	if i == 0 || isUUID(stem) {
		return false
	}
	if isHash(stem[i+1:], code) {
		return true
	}
	// A hash in base64url may have a dash in it, or begin or end with one.
	i = len(stem) - rollupHash
	return i > 1 && (stem[i-1] == '-' || stem[i-1] == '.') && strings.Contains(stem[i:], "-") && isHash(stem[i:], code)
}

// rollupHash is the length of the hashes that Rollup and esbuild write.
const rollupHash = 8

// longHash is the length from which a text that is not hexadecimal may be a
// hash although it is longer. Rollup writes up to 21 characters if it is asked to.
const longHash = 16

// isHash reports whether s is a hash rather than something that people write.
// In the name of a script or a style sheet, code, shorter and plainer hashes
// count.
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
	// Bundlers write 8 characters, or many more. Names have any number.
	if len(s) > rollupHash && len(s) < longHash {
		return false
	}
	for part := range strings.FieldsFuncSeq(s, func(c rune) bool { return c == '-' || c == '_' }) {
		if !isPlain(part) {
			return true
		}
	}
	return false
}

// isHex reports whether s is hexadecimal, in lower case as hashes are written.
func isHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }

// isUUID reports whether s ends with a UUID.
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

// transitions counts how often s changes between letters and digits, and
// reports whether it begins with a digit.
func transitions(s string) (n int, digits bool) {
	for i := 1; i < len(s); i++ {
		if isDigit(s[i]) != isDigit(s[i-1]) {
			n++
		}
	}
	return n, s != "" && isDigit(s[0])
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

// isPlain reports whether people write s, which has letters and digits only:
// a number, a number with a unit or a word before it, a size, a time, words.
func isPlain(s string) bool {
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
		return between == "x" || between == "T" || len(between) == 3 && isUpper(between[0]) && isSpeakable(strings.ToLower(between)) && between[1:] == strings.ToLower(between[1:])
	case changes == 2: // D3Charts, css3anim
		before, after := s[:strings.IndexAny(s, "0123456789")], s[strings.LastIndexAny(s, "0123456789")+1:]
		if len(before)+1+len(after) < max(len(s), rollupHash) || !isSpeakable(strings.ToLower(after)) {
			return false
		}
		return s == strings.ToLower(s) || len(before) == 1 && isUpper(after[0]) && isWords(after)
	}
	for word := range strings.FieldsFuncSeq(s, func(c rune) bool { return '0' <= c && c <= '9' }) {
		if len(word) < 3 || word != strings.ToLower(word) || !isSpeakable(word) {
			return false
		}
	}
	return true // 1bedroom2bath
}

// isWords reports whether letters are words: all small or all large, or each
// with a capital letter and one that can be spoken. Beside longer words there
// may be one abbreviation in capitals, as in GraphQL and DesktopXL.
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
			if !isSpeakable(strings.ToLower(s[:n])) {
				return false
			}
			shortest = min(shortest, n)
		}
		s = s[n:]
	}
	return abbreviations == 0 || abbreviations == 1 && shortest > 4
}

// isSpeakable reports whether a word has a vowel, no more consonants in a row
// than English words have, and begins as one.
func isSpeakable(word string) bool {
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

// digraphs writes those pairs of letters that are one consonant as one.
var digraphs = strings.NewReplacer("ch", "c", "ck", "k", "gh", "g", "ph", "f", "sh", "s", "th", "t")

// onsets are the pairs of consonants that English words begin with.
const onsets = " bl br ch cl cr dr dw fl fr gh gl gn gr kn ph pl pr ps qu rh sc sh sk sl sm sn sp sq st sv sw th tr ts tw wh wr "

// clusters are the longer runs of consonants that are common within words.
const clusters = " bbl bstr chn cks ckl cts dds dgr ffl ffs ggl ghl ght lds lls lph lts mbl mbn mpl mpr mps mpt nch ncl ncr nct nds ndl ndr ndw ngl ngr ngs ngt ngth nkl nks nsf nsl nsp nst ntl ntr nts ppl ppr pps ptr pts rch rds rdw rgs rks rkd rkfl rkt rls rms rns rph rsh rst rtc rth rts scr sks sph spl spr ssw sts str tch tbl tdr thl tls tmp ttl tts wnl wns xpl xpr xtr "
