// Package cors compares this package's CORS with rs/cors and jub0bs/cors. Its
// tests give them the same configurations and requests, and compare the
// decisions of a browser that receives the responses.
package cors
