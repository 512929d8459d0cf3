package score

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ProfileHash is a short hash of texts, such as the daemon's configuration and
// the numbers of its profile. Where one text ends and the next begins counts.
func ProfileHash(text ...string) string {
	h := sha256.New()
	for _, t := range text {
		fmt.Fprintf(h, "%d:%s", len(t), t)
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// A Dir keeps what each case gave in a file of its own, so that a run that broke
// off goes on where it was. What was made under another profile, by another
// binary, or by a case that has changed since, is as if it were not there.
// Different names may be saved at the same time.
type Dir struct {
	path, profile, binary string
}

// OpenDir makes the directory where it lacks, and reads the binary for its hash.
func OpenDir(path, profileHash, binary string) (Dir, error) {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return Dir{}, fmt.Errorf("making the store of results: %w", err)
	}
	f, err := os.Open(binary)
	if err != nil {
		return Dir{}, fmt.Errorf("reading the binary for its hash: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return Dir{}, fmt.Errorf("reading the binary for its hash: %w", err)
	}
	return Dir{path, profileHash, hex.EncodeToString(h.Sum(nil))}, nil
}

type record struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
}

func (d Dir) key(caseHash string) string { return ProfileHash(d.profile, d.binary, caseHash) }

// file refuses names that would lead out of the directory.
func (d Dir) file(name string) (string, error) {
	if name == "" || name[0] == '.' || filepath.Base(name) != name {
		return "", fmt.Errorf("%q is no name of a case", name)
	}
	return filepath.Join(d.path, name+".json"), nil
}

// Load fills v, such as a *Result or *Injections, with what was saved under the
// name, and tells whether there was any under the same key. A file that is not
// whole is no error: its case is run again.
func (d Dir) Load(name, caseHash string, v any) (bool, error) {
	path, err := d.file(name)
	if err != nil {
		return false, err
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("reading a saved result: %w", err)
	}
	var r record
	if json.Unmarshal(text, &r) != nil || r.Key != d.key(caseHash) {
		return false, nil
	}
	if err := json.Unmarshal(r.Value, v); err != nil {
		return false, fmt.Errorf("reading a saved result %s: %w", name, err)
	}
	return true, nil
}

// Save keeps v under the name, in place of an earlier value.
func (d Dir) Save(name, caseHash string, v any) error {
	path, err := d.file(name)
	if err != nil {
		return err
	}
	value, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("saving a result %s: %w", name, err)
	}
	text, err := json.MarshalIndent(record{d.key(caseHash), value}, "", "  ")
	if err != nil {
		return fmt.Errorf("saving a result %s: %w", name, err)
	}
	return Write(path, append(text, '\n'))
}

// Write puts text in place of a file as a whole: a reader sees the old or the new.
func Write(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer os.Remove(f.Name()) // nothing is there after the rename
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
