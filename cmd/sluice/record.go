package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/sirupsen/logrus"
	"github.com/spf13/pflag"

	"sluice/controller"
	"sluice/internal/app"
)

// recording is the file of --record: a JSON line for each step of the controller.
type recording struct {
	path string
	file *os.File
	left int64 // bytes that it may still grow by
}

// maxRecording bounds the file: a month of steps a second.
const maxRecording = 1 << 30

func (r *recording) register(f *pflag.FlagSet) {
	f.StringVar(&r.path, "record", "", "append each step of the controller to this file, for sluice tune --from-log")
}

// start opens the file, if there is to be one, and follows the control loop.
func (r *recording) start(c *app.Config, log logrus.FieldLogger) error {
	if r.path == "" {
		return nil
	}
	file, err := os.OpenFile(r.path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open record: %w", err)
	}
	size, err := cutTorn(file)
	if err != nil {
		return errors.Join(fmt.Errorf("open record: %w", err), file.Close())
	}
	r.file, r.left = file, maxRecording-size
	c.Observe = func(record controller.Record) {
		if r.left <= 0 {
			return
		}
		line, err := json.Marshal(record)
		if err == nil {
			r.left -= int64(len(line)) + 1
			_, err = file.Write(append(line, '\n'))
		}
		switch {
		case err != nil:
			log.WithError(err).Warn("steps are no longer recorded")
			r.left = 0
		case r.left <= 0:
			log.Warnf("steps are no longer recorded: %s has %d bytes", r.path, maxRecording)
		}
	}
	return nil
}

// maxTorn bounds a line.
const maxTorn = 16 << 10

// cutTorn takes off a last line that a crash left incomplete, and gives the size.
func cutTorn(file *os.File) (int64, error) {
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	size := info.Size()
	tail := make([]byte, min(size, maxTorn))
	if _, err := file.ReadAt(tail, size-int64(len(tail))); err != nil {
		return 0, err
	}
	whole := size - int64(len(tail)) + int64(bytes.LastIndexByte(tail, '\n')+1)
	if whole == size {
		return size, nil
	}
	return whole, file.Truncate(whole)
}

func (r *recording) stop() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}
