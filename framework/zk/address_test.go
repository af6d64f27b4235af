package zk

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseAddress(t *testing.T) {
	for text, want := range map[string]string{
		"zk://h1:2181,h2:2182/mesos":          "zk://h1:2181,h2:2182/mesos",
		"zk://h1/mesos":                       "zk://h1:2181/mesos",
		"zk://h1, h2:2182/a/b/":               "zk://h1:2181,h2:2182/a/b",
		"zk://jake:1@2:3@h1:2181/mesos":       "zk://jake@h1:2181/mesos",
		"zk://[::1]:2181,[fe80::1]/mesos":     "zk://[::1]:2181,[fe80::1]:2181/mesos",
		"zk://10.0.0.1:2181/prod/mesos/green": "zk://10.0.0.1:2181/prod/mesos/green",
	} {
		a, err := ParseAddress(text)
		if err != nil || a.String() != want {
			t.Errorf("%s: %s, %v, want %s", text, a, err, want)
		}
	}
	if a, err := ParseAddress("zk://u:p@ss%41:x@h/p"); err != nil || a.secret != "p@ss%41:x" || a.User != "u" {
		t.Errorf("%+v %v", a, err)
	}
}

func TestBadAddress(t *testing.T) {
	for _, text := range []string{
		"", "zk://", "zk:///mesos", "zk://h1", "zk://h1/", "zk://h1:0/m", "zk://h1:99999/m", "zk://h1:x/m", "zk://h1,/m",
		"zk://:2181/m", "zk://nopassword@h/m", "zk://:secret@h/m", "zk://h//m", "zk://h/a/../b", "zk://h/a\x00b", "http://h/m",
		"zk://u:secret@h1,,h2/m", "zk://u:secret@h/", "file:///no/such/file", "zk://" + strings.Repeat("h,", 100) + "h/m",
		"zk://u:secret@h:1:2/m", "zk://0]0/0", "zk://[h/m", "zk://h]:1/m",
	} {
		if a, err := ParseAddress(text); err == nil {
			t.Errorf("%q was taken as %s", text, a)
		} else if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestAddressInFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "zk")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("zk://u:pw@h:1/mesos\n")
	if a, err := ParseAddress("file://" + path); err != nil || a.String() != "zk://u@h:1/mesos" || a.secret != "pw" {
		t.Errorf("%s %v", a, err)
	}
	write("pw")
	if _, err := ParseAddress("file://" + path); err == nil || strings.Contains(err.Error(), "pw") {
		t.Error(err)
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, seed := range []string{"zk://u:p@h1:2181,h2/mesos", "zk://h/a/b", "zk://[::1]/m", "zk://@h/m", "zk://h", "zk://0]0/0", "zk://[fe80::1%eth0]:1/m"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.HasPrefix(text, fileScheme) {
			return
		}
		a, err := ParseAddress(text)
		if err != nil {
			return
		}
		if len(a.Servers) == 0 || !strings.HasPrefix(a.Path, "/") || a.Path == "/" {
			t.Fatalf("%q: %+v", text, a)
		}
		if a.User != "" {
			return // printed without the password
		}
		again, err := ParseAddress(a.String())
		if err != nil || again.String() != a.String() {
			t.Fatalf("%q: %s, then %s, %v", text, a, again, err)
		}
	})
}
