package zk

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

const (
	scheme      = "zk://"
	fileScheme  = "file://"
	defaultPort = "2181"
	maxServers  = 64
	maxAddress  = 8 << 10
)

// Address is a path in an ensemble of ZooKeeper servers, and who we are there.
type Address struct {
	Servers []string // host:port
	Path    string   // absolute, not "/"
	User    string   // for digest authentication; "" = none
	secret  string
}

// IsAddress says whether a text is meant as an address: zk://… or a file:///path that holds one.
func IsAddress(text string) bool {
	return strings.HasPrefix(text, scheme) || strings.HasPrefix(text, fileScheme)
}

// ParseAddress reads zk://[user:password@]host[:port][,host[:port]…]/path, or the same from the file that file:///path names,
// which keeps a password out of the command line. An error never holds the password.
func ParseAddress(text string) (Address, error) {
	if path, ok := strings.CutPrefix(text, fileScheme); ok {
		data, err := os.ReadFile(path)
		if err != nil {
			return Address{}, fmt.Errorf("read ZooKeeper address: %w", err)
		}
		if text = strings.TrimSpace(string(data)); !strings.HasPrefix(text, scheme) {
			return Address{}, fmt.Errorf("read ZooKeeper address: %s does not hold zk://host:port/path", path)
		}
	}
	a, err := parse(text)
	if err != nil {
		return Address{}, fmt.Errorf("read ZooKeeper address: %w: want zk://[user:password@]host:port,…/path", err)
	}
	return a, nil
}

func parse(text string) (Address, error) {
	rest, ok := strings.CutPrefix(text, scheme)
	if !ok || len(text) > maxAddress {
		return Address{}, errors.New("it does not begin with zk://")
	}
	var a Address
	servers, path, _ := strings.Cut(rest, "/")
	// As Mesos has it: no escapes, so the password may contain any sign but a slash, and the last @ ends it.
	if at := strings.LastIndex(servers, "@"); at >= 0 {
		var err error
		if a.User, a.secret, err = credentials(servers[:at]); err != nil {
			return Address{}, err
		}
		servers = servers[at+1:]
	}
	for server := range strings.SplitSeq(servers, ",") {
		address, err := serverAddress(strings.TrimSpace(server))
		if err != nil {
			return Address{}, err
		}
		a.Servers = append(a.Servers, address)
	}
	if len(a.Servers) > maxServers {
		return Address{}, fmt.Errorf("it names %d servers, at most %d are possible", len(a.Servers), maxServers)
	}
	a.Path = "/" + strings.TrimRight(path, "/")
	return a, checkPath(a.Path)
}

func credentials(text string) (user, secret string, err error) {
	user, secret, ok := strings.Cut(text, ":")
	if !ok || user == "" {
		return "", "", errors.New("its credentials are not user:password")
	}
	return user, secret, nil
}

func serverAddress(server string) (string, error) {
	host, port, err := net.SplitHostPort(server)
	if err != nil { // without a port
		host, port = server, defaultPort
		if inner, ok := strings.CutPrefix(server, "["); ok && strings.HasSuffix(inner, "]") {
			host = strings.TrimSuffix(inner, "]")
		}
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if host == "" || err != nil || number == 0 || strings.ContainsAny(host, " \t@[]") || strings.Contains(host, ":") && !isIP(host) {
		return "", fmt.Errorf("server %q is not host:port", server)
	}
	return net.JoinHostPort(host, port), nil
}

func isIP(host string) bool {
	_, err := netip.ParseAddr(host) // also with a zone
	return err == nil
}

// checkPath refuses what ZooKeeper would, and the root, where nothing may register.
func checkPath(path string) error {
	if path == "/" {
		return errors.New("it names no path")
	}
	for name := range strings.SplitSeq(path[1:], "/") {
		if name == "" || name == "." || name == ".." || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd }) {
			return fmt.Errorf("path %q is not one of ZooKeeper", path)
		}
	}
	return nil
}

// At is another path in the same ensemble, as the same user. An impossible path is an error.
func (a Address) At(path string) (Address, error) {
	if err := checkPath(path); err != nil {
		return Address{}, fmt.Errorf("read ZooKeeper path: %w", err)
	}
	a.Path = path
	return a, nil
}

// String is the address without the password.
func (a Address) String() string {
	user := ""
	if a.User != "" {
		user = a.User + "@"
	}
	return scheme + user + strings.Join(a.Servers, ",") + a.Path
}

// servers names the ensemble for people.
func (a Address) servers() string { return strings.Join(a.Servers, ",") }
