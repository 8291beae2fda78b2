// Package throttle compares this module's Throttle with chi's, and with a handler
// that is not throttled.
package throttle
