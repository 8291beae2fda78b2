// Package deflate is permessage-deflate, the compression of WebSocket
// messages (RFC 7692): how the two ends agree on it, and how messages are
// compressed and decompressed. It knows nothing of frames and connections.
//
// Every parameter of the extension is met, in both roles. Neither direction uses
// compress/flate. A flate.Writer takes more than 1 MB, which is far too much to
// keep for each connection, as context takeover needs; the encoder here keeps
// 16 KB. A flate.Writer also always uses the largest window, so a client that
// asks for a smaller one could not be served. In size the result is that of
// flate's level 1, in less time.
//
// A flate.Reader takes 44 KB as soon as a message begins, and ends at a final
// block, so that a peer makes it start again for every two bytes. The decoder
// here takes 6 KB and a window as large as the text read so far, and treats a
// final block like any other. Both are tested against compress/flate.
//
// An idle connection with context takeover in both directions holds 16 KB to
// send, and a window to receive: up to 32 KB, or less if the peers agreed on
// that. Without context takeover it holds nothing.
package deflate
