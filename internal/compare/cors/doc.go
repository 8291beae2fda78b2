// Package cors compares this module's CORS with other people's: the same
// configurations and requests, judged by what a browser would make of the
// responses. It holds tests only.
package cors
