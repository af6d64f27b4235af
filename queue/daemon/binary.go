package daemon

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"sluice/queue"
	"sluice/queue/wire"
)

// binary is the program that hosts run. It stays open, so that hosts get the very bytes of its checksum also after the file
// was replaced.
type binary struct {
	path string
	sum  string // SHA-256, hex; "" where hosts run the file itself
	file *os.File
	size int64
}

func openBinary(c Config) (*binary, error) {
	path, err := filepath.Abs(c.HostBinary)
	if err != nil {
		return nil, fmt.Errorf("find the hosts' program: %w", err)
	}
	b := &binary{path: path}
	if c.HostLocal {
		_, err := os.Stat(path)
		if err != nil {
			err = fmt.Errorf("find the hosts' program: %w", err)
		}
		return b, err
	}
	if b.file, err = os.Open(path); err != nil {
		return nil, fmt.Errorf("open the hosts' program: %w", err)
	}
	hash := sha256.New()
	if b.size, err = io.Copy(hash, b.file); err != nil {
		return nil, errors.Join(fmt.Errorf("read the hosts' program: %w", err), b.file.Close())
	}
	b.sum = hex.EncodeToString(hash.Sum(nil))
	return b, nil
}

// name is what the program is called in a host's sandbox.
func (b *binary) name() string { return "sluice-" + b.sum[:12] }

func (b *binary) serve(w http.ResponseWriter, r *http.Request) {
	if b.sum == "" || r.PathValue("sum") != b.sum {
		wire.WriteError(w, &queue.Error{Kind: queue.KindNotFound, Text: "this daemon's hosts run another program"})
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("ETag", `"`+b.sum+`"`)
	http.ServeContent(w, r, "", time.Time{}, io.NewSectionReader(b.file, 0, b.size))
}

func (b *binary) close() {
	if b.file != nil {
		_ = b.file.Close() // it was only read
	}
}
