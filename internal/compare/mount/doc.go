// Package mount compares mounted handlers of this module with StripPrefix and with those
// of chi.
package mount
