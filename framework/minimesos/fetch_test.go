package minimesos

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

func tarball(t testing.TB, entries ...*tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	w := tar.NewWriter(zipped)
	for _, h := range entries {
		const content = "content"
		if h.Typeflag == tar.TypeReg {
			h.Size, h.Mode = int64(len(content)), 0o644
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write([]byte(content)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestFetch(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	hello := put("hello.txt", []byte("hello"))
	script := put("run.sh", []byte("#!/bin/sh\necho run.sh runs\n"))
	archive := put("a.tgz", tarball(t, &tar.Header{Name: "in-archive.txt", Typeflag: tar.TypeReg}))
	var zipped bytes.Buffer
	z := zip.NewWriter(&zipped)
	if w, err := z.Create("deep/in-zip.txt"); err != nil {
		t.Fatal(err)
	} else if _, err := w.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	yes, no, sub := true, false, "sub/renamed.txt"
	put("b.zip", zipped.Bytes())

	c := startCluster(t, nil)
	s := subscribe(t, c.URL(), defaultInfo, "")
	offer := s.offer()
	task := shellTask("good", "find . -type f | sort; ./run.sh", offer)
	task.Command.URIs = []mesos.CommandInfo_URI{
		{Value: hello},
		{Value: "file://" + script, Executable: &yes},
		{Value: archive},
		{Value: put("noext.tgz", tarball(t, &tar.Header{Name: "no.txt", Typeflag: tar.TypeReg})), Extract: &no},
		{Value: hello, OutputFile: &sub},
		{Value: server.URL + "/b.zip?x=1"},
	}
	s.launch(offer, 0, task)
	s.status("good", mesos.TASK_FINISHED)
	want := "./a.tgz\n./b.zip\n./deep/in-zip.txt\n./hello.txt\n./in-archive.txt\n./noext.tgz\n./run.sh\n./stderr\n./stdout\n" +
		"./sub/renamed.txt\nrun.sh runs\n"
	if got := output(t, c, s, offer, "good", "stdout"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestFetchFails(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	dots := "../x"
	outside := filepath.Join(dir, "outside")
	uris := map[string]mesos.CommandInfo_URI{
		"missing":  {Value: "/no/such/file"},
		"scheme":   {Value: "gopher://127.0.0.1/x"},
		"http404":  {Value: server.URL + "/x"},
		"relative": {Value: "x/y.txt"},
		"empty":    {Value: ""},
		"dir":      {Value: dir},
		"outdots":  {Value: put("plain", nil), OutputFile: &dots},
		"broken":   {Value: put("broken.tgz", []byte("not an archive"))},
		"tardots":  {Value: put("dots.tgz", tarball(t, &tar.Header{Name: "../../escaped", Typeflag: tar.TypeReg}))},
		"tarlink": {Value: put("link.tgz", tarball(t,
			&tar.Header{Name: "link", Linkname: dir, Typeflag: tar.TypeSymlink},
			&tar.Header{Name: "link/outside", Typeflag: tar.TypeReg}))},
		"hardlink": {Value: put("hard.tgz", tarball(t, &tar.Header{Name: "hard", Linkname: "/etc/passwd", Typeflag: tar.TypeLink}))},
	}
	c := startCluster(t, nil)
	s := subscribe(t, c.URL(), defaultInfo, "")
	for name, uri := range uris {
		t.Run(name, func(t *testing.T) {
			offer := s.offer()
			task := shellTask(name, "true", offer)
			task.Command.URIs = []mesos.CommandInfo_URI{uri}
			s.launch(offer, 0, task)
			end := s.status(name, mesos.TASK_FAILED)
			const want = "Failed to launch container: Failed to fetch all URIs for container '"
			if !strings.HasPrefix(end.GetMessage(), want) || end.GetReason() != mesos.REASON_CONTAINER_LAUNCH_FAILED ||
				end.GetSource() != mesos.SOURCE_AGENT || end.ContainerStatus != nil {
				t.Errorf("%v", end)
			}
			if log := output(t, c, s, offer, name, "stderr"); !strings.Contains(log, uri.Value) {
				t.Errorf("stderr: %s", log)
			}
		})
	}
	if _, err := os.Stat(outside); !os.IsNotExist(err) {
		t.Error("an archive wrote through a link out of the sandbox")
	}
}
