// Package deflate implements permessage-deflate, the compression of WebSocket
// messages (RFC 7692): negotiation of the parameters, compression and
// decompression. It supports every parameter of the extension for servers and
// clients. It does not depend on frames or connections.
//
// # Why not compress/flate
//
// With context takeover, a connection keeps its compressor. A flate.Writer
// takes more than 1 MB; the [Compressor] of this package keeps 16 KB. A
// flate.Writer also always uses a window of 32 KB, but a client may require a
// smaller one. The output is about as large as that of flate at level 1, and
// compression takes less time.
//
// A flate.Reader takes 44 KB as soon as a message starts. It stops after a
// final block, so a peer could force a restart every two bytes. The
// [Decompressor] of this package takes 6 KB and a window that grows with the
// text read so far, up to the negotiated size, and it continues after a final
// block.
//
// Both are tested against compress/flate.
//
// # Memory
//
// With context takeover in both directions, an idle connection keeps 16 KB for
// sending and a window for receiving: up to 32 KB, or less if a smaller window
// was negotiated. Without context takeover it keeps nothing.
package deflate
