package zk

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Names of the nodes that masters register as, before the ten digits of the sequence.
const (
	labelJSON = "json.info_"
	labelOld  = "info_" // of masters before 0.24, as a protobuf message
)

const sequenceDigits = 10

// sequence reads the number at the end of a node's name that begins with prefix. Other nodes may stand beside, such as the
// masters' log_replicas.
func sequence(name, prefix string) (number int, ok bool) {
	digits, ok := strings.CutPrefix(name, prefix)
	if !ok || len(digits) < sequenceDigits {
		return 0, false
	}
	number, err := strconv.Atoi(digits)
	return number, err == nil
}

// leading picks the leader's node: the lowest number, whatever the form of its information.
func leading(children []string) (name string, old bool) {
	lowest := 0
	for _, child := range children {
		number, isNew := sequence(child, labelJSON)
		isOld := false
		if !isNew {
			number, isOld = sequence(child, labelOld)
		}
		if (isNew || isOld) && (name == "" || number < lowest) {
			name, old, lowest = child, isOld, number
		}
	}
	return name, old
}

// masterInfo is what a master tells of itself.
type masterInfo struct {
	Hostname string `json:"hostname"`
	PID      string `json:"pid"` // master@ip:port
	Address  *struct {
		Hostname string `json:"hostname"`
		IP       string `json:"ip"`
		Port     int    `json:"port"`
	} `json:"address"`
}

// masterURL reads a master's registration. A certificate is made for a name, so over TLS the master is called by its host
// name; else by its address, which needs no name server.
func masterURL(data []byte, secure bool) (string, error) {
	var info masterInfo
	if err := json.Unmarshal(data, &info); err != nil {
		return "", fmt.Errorf("read master's registration: %w", err)
	}
	host, port := "", 0
	if a := info.Address; a != nil {
		host, port = a.IP, a.Port
		if secure && a.Hostname != "" || host == "" {
			host = a.Hostname
		}
	} else if at, err := netip.ParseAddrPort(info.PID[strings.Index(info.PID, "@")+1:]); err == nil {
		host, port = at.Addr().String(), int(at.Port())
		if secure && info.Hostname != "" {
			host = info.Hostname
		}
	}
	if host == "" || port < 1 || port > 65535 || strings.ContainsAny(host, "/@ \t\r\n?#") {
		return "", errors.New("read master's registration: it has no address")
	}
	scheme := "http://"
	if secure {
		scheme = "https://"
	}
	return scheme + net.JoinHostPort(host, strconv.Itoa(port)), nil
}
