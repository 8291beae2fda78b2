package static

import (
	"mime"
	"path"
	"strings"
)

// typeOf returns the media type for the extension of a name, or "" if it is unknown.
// The types of common files on web sites come from a table, so they are the same on
// every host. For other extensions, typeOf calls [mime.TypeByExtension], whose types
// depend on the host and can be extended by the program.
func typeOf(name string) string {
	ext := strings.ToLower(path.Ext(name))
	if t, ok := types[ext]; ok {
		return t
	}
	return mime.TypeByExtension(ext)
}

// types maps file extensions to media types, mostly as registered with IANA. Text
// types have the charset that the HTML standard and build tools assume.
var types = map[string]string{
	// Pages, style and code.
	".html":        "text/html; charset=utf-8",
	".htm":         "text/html; charset=utf-8",
	".xhtml":       "application/xhtml+xml",
	".css":         "text/css; charset=utf-8",
	".js":          "text/javascript; charset=utf-8",
	".mjs":         "text/javascript; charset=utf-8",
	".cjs":         "text/javascript; charset=utf-8",
	".wasm":        "application/wasm",
	".map":         "application/json",
	".webmanifest": "application/manifest+json",
	".appcache":    "text/cache-manifest; charset=utf-8",

	// Text and structured text.
	".txt":      "text/plain; charset=utf-8",
	".md":       "text/markdown; charset=utf-8",
	".markdown": "text/markdown; charset=utf-8",
	".csv":      "text/csv; charset=utf-8",
	".tsv":      "text/tab-separated-values; charset=utf-8",
	".vtt":      "text/vtt; charset=utf-8",
	".ics":      "text/calendar; charset=utf-8",
	".vcf":      "text/vcard; charset=utf-8",
	".xml":      "text/xml; charset=utf-8",
	".xsl":      "text/xml; charset=utf-8",
	".rtf":      "application/rtf",
	".json":     "application/json",
	".json5":    "application/json5",
	".jsonld":   "application/ld+json",
	".geojson":  "application/geo+json",
	".topojson": "application/json",
	".ndjson":   "application/x-ndjson",
	".yaml":     "application/yaml",
	".yml":      "application/yaml",
	".toml":     "application/toml",
	".atom":     "application/atom+xml",
	".rss":      "application/rss+xml",
	".rdf":      "application/rdf+xml",
	".kml":      "application/vnd.google-earth.kml+xml",
	".kmz":      "application/vnd.google-earth.kmz",
	".gpx":      "application/gpx+xml",

	// Images.
	".svg":  "image/svg+xml",
	".png":  "image/png",
	".apng": "image/apng",
	".jpg":  "image/jpeg",
	".jpeg": "image/jpeg",
	".jfif": "image/jpeg",
	".gif":  "image/gif",
	".webp": "image/webp",
	".avif": "image/avif",
	".heic": "image/heic",
	".heif": "image/heif",
	".jxl":  "image/jxl",
	".bmp":  "image/bmp",
	".tif":  "image/tiff",
	".tiff": "image/tiff",
	".ico":  "image/x-icon", // as in browsers and DetectContentType
	".cur":  "image/x-icon",

	// Fonts.
	".woff":  "font/woff",
	".woff2": "font/woff2",
	".ttf":   "font/ttf",
	".otf":   "font/otf",
	".ttc":   "font/collection",
	".eot":   "application/vnd.ms-fontobject",

	// Audio and video.
	".mp3":  "audio/mpeg",
	".m4a":  "audio/mp4",
	".aac":  "audio/aac",
	".oga":  "audio/ogg",
	".ogg":  "audio/ogg",
	".opus": "audio/ogg",
	".flac": "audio/flac",
	".wav":  "audio/wav",
	".weba": "audio/webm",
	".mid":  "audio/midi",
	".midi": "audio/midi",
	".mp4":  "video/mp4",
	".m4v":  "video/mp4",
	".webm": "video/webm",
	".ogv":  "video/ogg",
	".mov":  "video/quicktime",
	".mpeg": "video/mpeg",
	".mpg":  "video/mpeg",
	".avi":  "video/x-msvideo",
	".mkv":  "video/matroska",
	".3gp":  "video/3gpp",
	".ts":   "video/mp2t", // for HLS; TypeScript is compiled before it is served
	".m3u8": "application/vnd.apple.mpegurl",
	".mpd":  "application/dash+xml",

	// Models.
	".glb":  "model/gltf-binary",
	".gltf": "model/gltf+json",
	".obj":  "model/obj",
	".mtl":  "model/mtl",
	".stl":  "model/stl",
	".usdz": "model/vnd.usdz+zip",

	// Documents, archives and packages.
	".pdf":  "application/pdf",
	".epub": "application/epub+zip",
	".doc":  "application/msword",
	".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	".xls":  "application/vnd.ms-excel",
	".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	".ppt":  "application/vnd.ms-powerpoint",
	".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
	".odt":  "application/vnd.oasis.opendocument.text",
	".ods":  "application/vnd.oasis.opendocument.spreadsheet",
	".odp":  "application/vnd.oasis.opendocument.presentation",
	".zip":  "application/zip",
	".gz":   "application/gzip",
	".tgz":  "application/gzip",
	".br":   "application/octet-stream",
	".zst":  "application/zstd",
	".bz2":  "application/x-bzip2",
	".xz":   "application/x-xz",
	".7z":   "application/x-7z-compressed",
	".tar":  "application/x-tar",
	".apk":  "application/vnd.android.package-archive",
	".dmg":  "application/x-apple-diskimage",
	".exe":  "application/octet-stream",
	".bin":  "application/octet-stream",
	".dat":  "application/octet-stream",
	".data": "application/octet-stream",
}
