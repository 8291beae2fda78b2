// Package web contains the page of the demo. Browsers get its files as they are;
// there is no build step.
package web

import "embed"

// Files are the files of the page.
//
//go:embed index.html style.css favicon.svg js
var Files embed.FS
