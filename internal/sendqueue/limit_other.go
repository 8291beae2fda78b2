//go:build !linux

package sendqueue

// limit does nothing: other systems have no such option, or one that does not make
// writes wait.
func limit(uintptr) {}
