package framework

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"

	"sluice/framework/zk"
)

// Detector finds the leading master.
type Detector interface {
	// Leader gives the URL to try, scheme://host:port; it may wait for one, until ctx ends at the latest. failed is the URL
	// that it gave last if that one did not answer as a leader, else "".
	Leader(ctx context.Context, failed string) (string, error)
	// Deposed waits until another master than url is known to lead, and gives its URL; "" when ctx ends before.
	Deposed(ctx context.Context, url string) string
}

var _ Detector = (*zk.Detector)(nil)

// masters is a fixed list of masters. Each of them redirects to the leader.
type masters struct {
	mu   sync.Mutex
	urls []string
	next int
}

var _ Detector = (*masters)(nil)

// detector is the one that the configuration names, and what ends it.
func (c *Config) detector() (d Detector, end func(), err error) {
	if c.Detector != nil {
		return c.Detector, func() {}, nil
	}
	if !zk.IsAddress(c.Master) {
		d, err := parseMasters(c.Master)
		return d, func() {}, err
	}
	address, err := zk.ParseAddress(c.Master)
	if err != nil {
		return nil, nil, fmt.Errorf("master: %w", err)
	}
	byZooKeeper := zk.NewDetector(address, c.CAFile != "" || c.ClientCert != "", c.Logger)
	return byZooKeeper, byZooKeeper.Close, nil
}

func parseMasters(list string) (*masters, error) {
	m := &masters{}
	for text := range strings.SplitSeq(list, ",") {
		text = strings.TrimSpace(text)
		if !strings.Contains(text, "://") {
			text = "http://" + text
		}
		u, err := url.Parse(text)
		if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
			shown := text[strings.LastIndex(text, "@")+1:] // without a password
			return nil, fmt.Errorf("master %q: want http(s)://host:port, several of these with commas between, or zk://host:port,…/path", shown)
		}
		m.urls = append(m.urls, u.Scheme+"://"+u.Host)
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

// Deposed is not known to a list: only a lost connection tells.
func (m *masters) Deposed(ctx context.Context, _ string) string {
	<-ctx.Done()
	return ""
}
