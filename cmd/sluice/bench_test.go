package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sluice/lsfbridge"
	"sluice/queue"
	"sluice/queue/daemon"
	"sluice/queue/journal"
	"sluice/queue/wire"
)

// benchDaemon serves an empty batch daemon, without hosts, and gives a client of it.
func benchDaemon(b *testing.B) *wire.Client {
	b.Helper()
	dir := b.TempDir()
	store, err := journal.Open(filepath.Join(dir, "journal.db"), journal.Options{})
	if err != nil {
		b.Fatal(err)
	}
	d, err := daemon.Open(b.Context(), daemon.Config{Journal: store, Queue: queue.Config{}, HostBinary: "/bin/true", HostLocal: true})
	if err != nil {
		b.Fatal(err)
	}
	socket := filepath.Join(shortTempDir(b), "api.sock")
	if err := d.ServeUnix(socket); err != nil {
		b.Fatal(err)
	}
	client, err := wire.NewClient(wire.Options{API: "unix://" + socket})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		client.Close()
		d.Stop()
		if err := store.Close(); err != nil {
			b.Error(err)
		}
	})
	return client
}

func benchCall(args []string, stdout io.Writer) *lsfCall {
	return &lsfCall{
		name: "bench", args: args, stdin: new(bytes.Reader), stdout: bufio.NewWriter(stdout), stderr: io.Discard,
		env: func(string) string { return "" }, now: time.Now(),
	}
}

// submitPack writes a job pack of so many jobs and submits it.
func submitPack(b *testing.B, client *wire.Client, jobs int) {
	b.Helper()
	path := filepath.Join(b.TempDir(), "pack")
	var text bytes.Buffer
	for i := range jobs {
		fmt.Fprintf(&text, "-J job%d -q normal -o out.%%J ./run.sh --input part%d.dat\n", i, i)
	}
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	place := lsfbridge.SubmitPlace{Environ: os.Environ(), Cwd: "/work", Host: "h", Now: time.Now()}
	b.StartTimer()
	code, err := bsubPack(b.Context(), benchCall(nil, io.Discard), path, place, client)
	b.StopTimer()
	if code != lsfDone || err != nil {
		b.Fatal(code, err)
	}
}

// BenchmarkSubmitPack submits job packs durably, from the file on.
func BenchmarkSubmitPack(b *testing.B) {
	const size = 20_000
	b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
		client := benchDaemon(b)
		b.StopTimer()
		b.ResetTimer()
		for range b.N {
			submitPack(b, client, size)
		}
		b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "submits/s")
	})
}

// firstLine notes when the first line of output came.
type firstLine struct {
	begun time.Time
	after time.Duration
	lines int
}

func (f *firstLine) Write(data []byte) (int, error) {
	n := bytes.Count(data, []byte("\n"))
	if f.lines <= 1 && f.lines+n > 1 { // the first is the header
		f.after = time.Since(f.begun)
	}
	f.lines += n
	return len(data), nil
}

// BenchmarkBjobs asks a daemon for all its jobs, from the command line to the printed lines.
func BenchmarkBjobs(b *testing.B) {
	const size = 100_000
	b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
		client := benchDaemon(b)
		b.StopTimer()
		submitPack(b, client, size)
		b.ResetTimer()
		b.StartTimer()
		var first time.Duration
		for range b.N {
			out := &firstLine{begun: time.Now()}
			fresh, err := wire.NewClient(wire.Options{API: client.API()})
			if err != nil {
				b.Fatal(err)
			}
			call := benchCall(nil, out)
			code, err := bjobs(b.Context(), call, fresh, fresh)
			fresh.Close()
			if err = errors.Join(err, call.stdout.Flush()); code != lsfDone || err != nil || out.lines != size+1 {
				b.Fatal(code, err, out.lines)
			}
			first += out.after
		}
		b.ReportMetric(float64(first.Microseconds())/float64(b.N)/1e3, "ms-to-first-line")
	})
}
