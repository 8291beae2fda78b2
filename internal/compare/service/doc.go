// Package service compares the service of docs/guide.md with the same service written with
// chi and with echo: they respond alike, and the lines of the programs are counted.
package service
