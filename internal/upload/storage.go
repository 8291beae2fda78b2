package upload

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// A Target is where a file goes. Exactly one of the first three fields is set.
type Target struct {
	Path   string    // the file to create or to replace
	Dir    string    // the directory in which a file with a new name is created
	Writer io.Writer // gets the content

	Mode fs.FileMode // permissions; if zero, 0600
	Sync bool        // whether the file must survive a crash of the system
}

// storage stores one file in its Target. Until the file is complete, it is in the same
// directory under a temporary name.
type storage struct {
	Target
	temp *os.File // nil for a Writer, and before open and after keep
}

// open prepares for the content.
func (s *storage) open() (err error) {
	if s.Target.Writer != nil {
		return nil
	}
	s.temp, err = os.CreateTemp(s.dir(), ".upload-*")
	if err == nil && s.Mode != 0 {
		err = s.temp.Chmod(s.Mode)
	}
	return err
}

// dir returns the directory of the file.
func (s *storage) dir() string {
	if s.Path != "" {
		return filepath.Dir(s.Path)
	}
	return s.Dir
}

// Write implements [io.Writer].
func (s *storage) Write(p []byte) (int, error) {
	if s.temp == nil {
		n, err := s.Target.Writer.Write(p)
		if err == nil && n < len(p) {
			err = io.ErrShortWrite
		}
		return n, err
	}
	return s.temp.Write(p)
}

// keep gives the complete file its name, and returns its path.
func (s *storage) keep() (path string, err error) {
	if s.temp == nil {
		return "", nil
	}
	if s.Sync {
		if err := s.temp.Sync(); err != nil {
			return "", err
		}
	}
	if err := s.temp.Close(); err != nil {
		return "", err
	}
	path = s.Path
	if path == "" {
		path = filepath.Join(s.Dir, rand.Text())
	}
	if err := os.Rename(s.temp.Name(), path); err != nil {
		return "", err
	}
	s.temp = nil
	if s.Sync {
		if err := syncDir(s.dir()); err != nil {
			return "", errors.Join(err, os.Remove(path))
		}
	}
	return path, nil
}

// syncDir makes the new name of a file survive a crash of the system.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be synced there
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// discard removes the file unless it was kept.
func (s *storage) discard() error {
	if s.temp == nil {
		return nil
	}
	name := s.temp.Name()
	_ = s.temp.Close() // it may have been closed, and its content is not needed
	s.temp = nil
	return os.Remove(name)
}
