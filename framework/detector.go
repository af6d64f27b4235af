package framework

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
)

// Detector finds the leading master.
type Detector interface {
	// Leader gives the URL to try, scheme://host:port; it may wait for one until ctx ends. failed is the URL that it gave
	// last if that one did not answer as a leader, else "".
	Leader(ctx context.Context, failed string) (string, error)
	// Changed is closed when url is known not to lead any more; nil if only a lost connection can tell.
	Changed(url string) <-chan struct{}
}

// masters is a fixed list of masters. Each of them redirects to the leader.
type masters struct {
	mu   sync.Mutex
	urls []string
	next int
}

var _ Detector = (*masters)(nil)

func parseMasters(list string) (*masters, error) {
	m := &masters{}
	for text := range strings.SplitSeq(list, ",") {
		text = strings.TrimSpace(text)
		if strings.HasPrefix(text, "zk://") {
			return nil, fmt.Errorf("master %q: ZooKeeper is not supported: want http(s)://host:port, or several with commas between", text)
		}
		if !strings.Contains(text, "://") {
			text = "http://" + text
		}
		u, err := url.Parse(text)
		if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("master %q: want http(s)://host:port, or several with commas between", text)
		}
		m.urls = append(m.urls, u.Scheme+"://"+u.Host)
	}
	if len(m.urls) == 0 {
		return nil, errors.New("master: want http(s)://host:port")
	}
	return m, nil
}

// Leader gives the same URL until that fails, then the next.
func (m *masters) Leader(_ context.Context, failed string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if failed != "" {
		m.next = (m.next + 1) % len(m.urls)
	}
	return m.urls[m.next], nil
}

// Changed is not known to a list.
func (m *masters) Changed(string) <-chan struct{} { return nil }
