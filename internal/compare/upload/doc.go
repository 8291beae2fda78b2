// Package upload compares uploads to a file with those of net/http and gin.
package upload
