// Package notes is a server that oapi-codegen has generated from notes.yaml.
package notes

//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2 -generate std-http,strict-server,models -package notes -o generated.go notes.yaml
