package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

// files stores the files that users attach to incidents.
type files struct {
	dir       string
	incidents *store
}

// upload serves POST /api/incidents/{id}/files
func (f files) upload(w http.ResponseWriter, r *http.Request) error {
	id, ok := http.PathParamAs[int64](w, r, "id")
	if !ok {
		return nil
	}
	if _, ok := f.incidents.byID(id); !ok {
		return errNoIncident
	}
	file, err := http.ReadUpload(w, r, http.UploadConfig{
		Dir: f.dir, MaxSize: 5 << 20, Types: []string{"image/png", "image/jpeg", "application/pdf"},
	})
	if err != nil {
		return err
	}
	name := filepath.Base(file.Path)
	_, ok = f.incidents.edit(id, func(i *incident) { i.Files = append(slices.Clip(i.Files), name) })
	if !ok { // deleted in the meantime
		if err := os.Remove(file.Path); err != nil {
			return err
		}
		return errNoIncident
	}
	http.WriteJSON(w, http.StatusCreated, map[string]string{"file": name})
	return nil
}

// removeAll removes the files of an incident that has been deleted.
func (f files) removeAll(i incident) {
	for _, name := range i.Files {
		if err := os.Remove(filepath.Join(f.dir, name)); err != nil {
			slog.Error("removing a file failed", "error", err)
		}
	}
}

// download serves GET /api/incidents/{id}/files/{file}
func (f files) download(w http.ResponseWriter, r *http.Request) error {
	id, ok := http.PathParamAs[int64](w, r, "id")
	if !ok {
		return nil
	}
	name := http.PathParam(r, "file")
	i, _ := f.incidents.byID(id)
	if !slices.Contains(i.Files, name) { // the name is safe to use in a path if it is in the list
		return http.Errorf(http.StatusNotFound, "no such file")
	}
	// The largest file takes 80 seconds at 64 KiB/s, longer than the server's write timeout.
	err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(2 * time.Minute))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Disposition", "attachment")
	http.ServeFile(w, r, filepath.Join(f.dir, name))
	return nil
}
