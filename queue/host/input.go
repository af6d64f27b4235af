package host

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"sluice/queue/wire"
)

const (
	// maxFetching is how many inputs are fetched from the daemon at once.
	maxFetching = 8
	// maxUnused is how many bytes of inputs are kept that no job reads, for the next element of an array.
	maxUnused = 256 << 20
)

var errAbandoned = errors.New("the job is ended before it has its input")

// inputs are the copies of jobs' input files that the daemon keeps, as far as jobs of this host read them. Each is fetched once, and is a
// file in the spool that its user may read. It is safe for concurrent use.
type inputs struct {
	dir  string
	ask  func(*wire.AskInput)
	room chan struct{} // has an element for each input that is being fetched

	mu     sync.Mutex
	files  map[inputKey]*inputFile
	asked  map[attemptKey]question
	unused []*inputFile // oldest first
	bytes  int64        // of them
	made   int          // so far
}

type inputKey struct{ user, sum string }

// question is one for a piece of an input.
type question struct {
	offset int64
	answer chan<- *wire.Input
}

// inputFile is one input.
type inputFile struct {
	key   inputKey
	path  string
	size  int64
	users int           // jobs that hold it
	ready chan struct{} // closed when it is whole, or err says why not
	err   error
}

func newInputs(dir string, ask func(*wire.AskInput)) *inputs {
	return &inputs{
		dir: dir, ask: ask, room: make(chan struct{}, maxFetching), files: make(map[inputKey]*inputFile),
		asked: make(map[attemptKey]question),
	}
}

// open opens a job's input for reading, fetching it where nobody has. The caller releases the file in any case but an error.
func (in *inputs) open(a *account, key attemptKey, sum string, abandoned <-chan struct{}) (*inputFile, *os.File, error) {
	f, err := in.acquire(a, key, sum, abandoned)
	if err != nil {
		return nil, nil, fmt.Errorf("get input from the batch daemon: %w", err)
	}
	file, err := os.Open(f.path)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open input: %w", err), in.release(f))
	}
	return f, file, nil
}

// acquire waits for an input.
func (in *inputs) acquire(a *account, key attemptKey, sum string, abandoned <-chan struct{}) (*inputFile, error) {
	for {
		f, fresh := in.file(inputKey{a.name, sum})
		if fresh {
			f.err = in.fetch(f, a, key, abandoned)
			in.settle(f)
		} else {
			select {
			case <-f.ready:
			case <-abandoned:
				return nil, errors.Join(errAbandoned, in.release(f))
			}
		}
		if f.err == nil {
			return f, nil
		}
		if err := errors.Join(f.err, in.release(f)); fresh {
			return nil, err
		}
		// It was fetched for another job, which may have been ended meanwhile.
	}
}

// file finds an input, or makes one that is to be fetched by who called.
func (in *inputs) file(key inputKey) (f *inputFile, fresh bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	f = in.files[key]
	if fresh = f == nil; fresh {
		in.made++
		f = &inputFile{key: key, path: filepath.Join(in.dir, "input."+strconv.Itoa(in.made)), ready: make(chan struct{})}
		in.files[key] = f
	}
	if f.users == 0 && !fresh {
		in.reuse(f)
	}
	f.users++
	return f, fresh
}

// reuse takes a file off those that nobody reads.
func (in *inputs) reuse(f *inputFile) {
	for i, u := range in.unused {
		if u == f {
			in.unused = append(in.unused[:i], in.unused[i+1:]...)
			in.bytes -= f.size
			return
		}
	}
}

// settle says that an input is whole or cannot be had. One that cannot is not found any more.
func (in *inputs) settle(f *inputFile) {
	in.mu.Lock()
	if f.err != nil {
		delete(in.files, f.key)
	}
	in.mu.Unlock()
	close(f.ready)
}

// release says that a job needs its input no more.
func (in *inputs) release(f *inputFile) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if f.users--; f.users > 0 || in.files[f.key] != f {
		return nil
	}
	in.unused = append(in.unused, f)
	in.bytes += f.size
	var errs []error
	for in.bytes > maxUnused {
		oldest := in.unused[0]
		in.unused = in.unused[1:]
		in.bytes -= oldest.size
		delete(in.files, oldest.key)
		errs = append(errs, os.Remove(oldest.path))
	}
	return errors.Join(errs...)
}

// fetch makes the file of an input, in the name of a job that needs it.
func (in *inputs) fetch(f *inputFile, a *account, key attemptKey, abandoned <-chan struct{}) (err error) {
	select {
	case in.room <- struct{}{}:
		defer func() { <-in.room }()
	case <-abandoned:
		return errAbandoned
	}
	file, err := os.OpenFile(f.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o400)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, file.Close()); err != nil {
			err = errors.Join(err, os.Remove(f.path))
		}
	}()
	if !a.own {
		if err := file.Chown(int(a.uid), int(a.gid)); err != nil {
			return err
		}
	}
	sum := sha256.New()
	for more := true; more; {
		piece, err := in.piece(key, f.size, abandoned)
		if err != nil {
			return err
		}
		if _, err := file.Write(piece); err != nil {
			return err
		}
		sum.Write(piece)
		f.size += int64(len(piece))
		more = len(piece) > 0
	}
	return f.check(sum)
}

func (f *inputFile) check(sum hash.Hash) error {
	if got := hex.EncodeToString(sum.Sum(nil)); got != f.key.sum {
		return fmt.Errorf("%d bytes came with the checksum %s, not %s", f.size, got, f.key.sum)
	}
	return nil
}

// piece asks the daemon for what follows of an input; nothing means that there is no more.
func (in *inputs) piece(key attemptKey, offset int64, abandoned <-chan struct{}) ([]byte, error) {
	answer := make(chan *wire.Input, 1)
	in.mu.Lock()
	in.asked[key] = question{offset, answer}
	in.mu.Unlock()
	in.ask(&wire.AskInput{Attempt: key.wire(), Offset: offset})
	select {
	case m := <-answer:
		switch {
		case m.GetProblem() != "":
			return nil, errors.New(m.GetProblem())
		case offset+int64(len(m.GetData())) > wire.MaxInput:
			return nil, fmt.Errorf("more than %d bytes came", wire.MaxInput)
		}
		return m.GetData(), nil
	case <-abandoned:
		in.mu.Lock()
		delete(in.asked, key)
		in.mu.Unlock()
		return nil, errAbandoned
	}
}

// answered takes a piece from the daemon. One that nobody asked for, or that comes twice, changes nothing.
func (in *inputs) answered(m *wire.Input) {
	in.mu.Lock()
	defer in.mu.Unlock()
	key := keyOf(m.GetAttempt())
	if q, ok := in.asked[key]; ok && q.offset == m.GetOffset() {
		delete(in.asked, key)
		q.answer <- m // it has room for the one answer
	}
}

// askInput passes a question on to the daemon, now or when it is there again.
func (s *session) askInput(ask *wire.AskInput) {
	if e := s.known.entries[keyOf(ask.GetAttempt())]; e != nil && e.ended == nil {
		s.asked[keyOf(ask.GetAttempt())] = ask
		s.tell(askMessage(ask))
	}
}

// input passes an answer on to the keeper.
func (s *session) input(m *wire.Input) {
	key := keyOf(m.GetAttempt())
	if ask := s.asked[key]; ask != nil && ask.GetOffset() == m.GetOffset() {
		delete(s.asked, key)
		s.runner.send(&frame{kind: frameInput, body: m})
	}
}

func askMessage(ask *wire.AskInput) *wire.HostMessage {
	return &wire.HostMessage{Body: &wire.HostMessage_AskInput{AskInput: ask}}
}
