package minimesos

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

const (
	maxFetchBytes   = 4 << 30 // one file, or what one archive holds
	maxArchiveFiles = 100000
	fetchTimeout    = 60 * time.Second // without any progress a fetch is given up
)

// fetch brings the files of a task into its sandbox. What goes wrong stands in the sandbox's stderr.
func (c *container) fetch(ctx context.Context, uris []mesos.CommandInfo_URI) error {
	root, err := os.OpenRoot(c.sandbox)
	if err != nil {
		return fmt.Errorf("open sandbox: %w", err)
	}
	defer root.Close() //nolint:errcheck // nothing is written through it
	f := fetcher{root: root, owner: c.account, sandbox: c.sandbox}
	for i := range uris {
		if err = f.fetch(ctx, &uris[i]); err != nil {
			err = fmt.Errorf("fetch '%s': %w", uris[i].Value, err)
			break
		}
	}
	if err == nil {
		return nil
	}
	log, openErr := appendTo(filepath.Join(c.sandbox, "stderr"))
	if openErr != nil {
		return errors.Join(err, openErr)
	}
	_, writeErr := fmt.Fprintf(log, "EXIT with status 1: Failed to %v\n", err)
	return errors.Join(err, writeErr, log.Close())
}

// fetcher writes below root only: neither an output_file nor an archive gets out of the sandbox.
type fetcher struct {
	root    *os.Root
	owner   *account
	sandbox string
}

func (f *fetcher) fetch(ctx context.Context, uri *mesos.CommandInfo_URI) error {
	in, name, err := openURI(ctx, uri.Value)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // only read
	if uri.GetOutputFile() != "" {
		name = filepath.Clean(uri.GetOutputFile())
	}
	mode := fs.FileMode(0o644)
	if uri.GetExecutable() {
		mode = 0o755
	}
	if err := f.write(name, in, mode, maxFetchBytes); err != nil {
		return err
	}
	// An executable is run, not opened.
	if uri.GetExecutable() || !uri.GetExtract() {
		return nil
	}
	if err := f.extract(name); err != nil {
		return fmt.Errorf("extract %s: %w", name, err)
	}
	return nil
}

// openURI opens a file or starts a download, and returns the base name.
func openURI(ctx context.Context, uri string) (io.ReadCloser, string, error) {
	if strings.HasPrefix(uri, "file://") {
		uri = strings.TrimPrefix(strings.TrimPrefix(uri, "file://"), "localhost")
	}
	if strings.HasPrefix(uri, "/") {
		in, err := os.Open(uri)
		if err != nil {
			return nil, "", err
		}
		info, err := in.Stat()
		if err == nil && !info.Mode().IsRegular() {
			err = errors.New("not a regular file")
		}
		if err != nil {
			return nil, "", errors.Join(err, in.Close())
		}
		return in, filepath.Base(uri), nil
	}
	u, err := url.Parse(uri)
	if err != nil {
		return nil, "", err
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, "", errors.New("neither an absolute path nor a file, http or https URI")
	}
	name := path.Base(u.Path)
	if u.Path == "" || name == "/" || name == "." || name == ".." {
		return nil, "", errors.New("no file name in the URI")
	}
	in, err := download(ctx, uri)
	return in, name, err
}

func download(ctx context.Context, uri string) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	stall := time.AfterFunc(fetchTimeout, func() { cancel(errors.New("no progress")) })
	d := &downloading{stall: stall, cancel: func() { cancel(nil) }}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	res, err := http.DefaultClient.Do(req) //nolint:bodyclose // who reads the download closes it
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	d.body = res.Body
	if res.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("unexpected HTTP response code: %d", res.StatusCode), d.Close())
	}
	return d, nil
}

// downloading reads a response that is given up when nothing comes for a while.
type downloading struct {
	body   io.ReadCloser
	stall  *time.Timer
	cancel func()
}

// Read gives the stall timer a new start.
func (d *downloading) Read(p []byte) (int, error) {
	n, err := d.body.Read(p)
	d.stall.Reset(fetchTimeout)
	return n, err
}

// Close ends the download.
func (d *downloading) Close() error {
	d.stall.Stop()
	d.cancel()
	if d.body == nil {
		return nil
	}
	return d.body.Close()
}

// write creates a file below the root, with its directories, and gives it to the task's user.
func (f *fetcher) write(name string, in io.Reader, mode fs.FileMode, limit int64) error {
	if err := f.mkdir(filepath.Dir(name)); err != nil {
		return err
	}
	out, err := f.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	n, err := io.Copy(out, io.LimitReader(in, limit+1))
	if err == nil && n > limit {
		err = errors.New("file is too large")
	}
	if err := errors.Join(err, out.Chmod(mode), out.Close()); err != nil {
		return err
	}
	return f.own(name)
}

func (f *fetcher) mkdir(dir string) error {
	if dir == "." {
		return nil
	}
	if err := f.mkdir(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := f.root.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return f.own(dir)
}

func (f *fetcher) own(name string) error {
	if f.owner == nil {
		return nil
	}
	return f.root.Lchown(name, int(f.owner.uid), int(f.owner.gid))
}

// extract unpacks an archive, told by its name as a real fetcher tells it. The archive stays.
func (f *fetcher) extract(name string) error {
	lower := strings.ToLower(name)
	has := func(suffixes ...string) bool {
		for _, s := range suffixes {
			if strings.HasSuffix(lower, s) {
				return true
			}
		}
		return false
	}
	if !has(".tgz", ".tar.gz", ".tar", ".gz", ".zip") {
		return nil
	}
	in, err := f.root.Open(name)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // only read
	switch {
	case has(".zip"):
		return f.unzip(in)
	case has(".tar"):
		return f.untar(in)
	}
	unzipped, err := gzip.NewReader(bufio.NewReader(in))
	if err != nil {
		return err
	}
	if has(".tgz", ".tar.gz") {
		return f.untar(unzipped)
	}
	return f.write(strings.TrimSuffix(name, filepath.Ext(name)), unzipped, 0o644, maxFetchBytes)
}

func (f *fetcher) untar(in io.Reader) error {
	left := int64(maxFetchBytes)
	archive := tar.NewReader(in)
	for range maxArchiveFiles {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name, err := insideName(h.Name)
		if err != nil {
			return err
		}
		switch h.Typeflag {
		case tar.TypeDir:
			err = f.mkdir(name)
		case tar.TypeReg:
			left -= h.Size
			err = f.write(name, archive, fs.FileMode(h.Mode)&0o777, max(0, left+h.Size))
		case tar.TypeSymlink:
			// The root refuses to follow it out of the sandbox; the task itself may.
			if err = f.mkdir(filepath.Dir(name)); err == nil {
				err = f.root.Symlink(h.Linkname, name)
			}
		case tar.TypeLink:
			err = f.root.Link(filepath.Clean(h.Linkname), name)
		}
		if err != nil {
			return err
		}
	}
	return errors.New("too many files")
}

func (f *fetcher) unzip(in *os.File) error {
	info, err := in.Stat()
	if err != nil {
		return err
	}
	archive, err := zip.NewReader(in, info.Size())
	if err != nil {
		return err
	}
	if len(archive.File) > maxArchiveFiles {
		return errors.New("too many files")
	}
	left := int64(maxFetchBytes)
	for _, entry := range archive.File {
		name, err := insideName(entry.Name)
		if err != nil {
			return err
		}
		if entry.FileInfo().IsDir() {
			err = f.mkdir(name)
		} else {
			err = f.unzipFile(entry, name, left)
		}
		if err != nil {
			return err
		}
		left -= int64(min(entry.UncompressedSize64, uint64(left)))
	}
	return nil
}

func (f *fetcher) unzipFile(entry *zip.File, name string, limit int64) error {
	in, err := entry.Open()
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // only read
	return f.write(name, in, entry.Mode()&0o777, limit)
}

// insideName cleans the name of an archive's entry and refuses those that point out of the sandbox.
func insideName(name string) (string, error) {
	clean := filepath.Clean(strings.TrimLeft(name, "/"))
	if !filepath.IsLocal(clean) {
		return "", fmt.Errorf("entry '%s' is outside of the sandbox", name)
	}
	return clean, nil
}
