// Package wsdeflate is permessage-deflate, the compression of WebSocket
// messages (RFC 7692): how the two ends agree on it, and how messages are
// compressed and decompressed. It knows nothing of frames and connections.
//
// Every parameter of the extension is met, in both roles. Compression is done
// by an encoder of its own rather than by compress/flate, for two reasons. A
// flate.Writer takes more than 1 MB, which is far too much to keep for each
// connection, as context takeover would need; this one keeps 16 KB. And a
// flate.Writer always uses the largest window, so that a client's wish for a
// smaller one could not be met. In size the result is that of flate's level 1,
// in less time. Decompression uses compress/flate.
//
// What a connection with context takeover in both directions holds while idle
// is 16 KB to send, and a window to receive: 32 KB, or less if the peers
// agreed on that. Without context takeover it is nothing.
package wsdeflate
