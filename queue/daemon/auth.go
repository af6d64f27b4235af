package daemon

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"sluice/queue"
	"sluice/queue/wire"
)

// Access says who may use a handler of the program around the daemon.
type Access uint8

// Who may use a handler.
const (
	Admin  Access = iota // administrators
	User                 // who has shown who he is
	Public               // anyone who reaches a listener
)

// maxTokens bounds the token file.
const maxTokens = 10_000

// Handle adds a handler of the program around the daemon, as http.ServeMux.Handle does. Call it before the first Serve.
func (d *Daemon) Handle(pattern string, access Access, h http.Handler) {
	d.mux.Handle(pattern, d.guard(access, h))
}

type actorKey struct{}

// ActorOf is who sent the request of ctx, for handlers given to Handle; ok is false where that is not known (Public).
func ActorOf(ctx context.Context) (actor queue.Actor, ok bool) {
	actor, ok = ctx.Value(actorKey{}).(queue.Actor)
	return actor, ok
}

// guard lets h see only requests of those who may.
func (d *Daemon) guard(access Access, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		actor, known := d.users.actor(r)
		switch {
		case known:
			r = r.WithContext(context.WithValue(r.Context(), actorKey{}, actor))
		case access != Public:
			err := &queue.Error{Kind: queue.KindDenied, Text: "who are you? name a token file in " + wire.EnvToken}
			w.Header().Set("WWW-Authenticate", "Bearer")
			wire.WriteJSON(w, http.StatusUnauthorized, map[string]any{"error": wire.NewErrorBody(err)})
			return
		}
		if access == Admin && !actor.Admin {
			wire.WriteError(w, &queue.Error{
				Kind: queue.KindDenied, Subject: actor.User,
				Text: fmt.Sprintf("user %q is no administrator: permission denied", actor.User),
			})
			return
		}
		h.ServeHTTP(w, r)
	})
}

// directory knows users by the credentials of a unix socket's peer or by tokens.
type directory struct {
	admins func() []string
	tokens []credential

	mu    sync.Mutex
	names map[uint32]string // of user ids
}

type credential struct {
	user string
	hash [sha256.Size]byte
}

func openDirectory(admins func() []string, tokenFile string) (*directory, error) {
	u := &directory{admins: admins, names: make(map[uint32]string)}
	if tokenFile == "" {
		return u, nil
	}
	info, err := os.Stat(tokenFile)
	if err != nil {
		return nil, fmt.Errorf("read token file: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("token file %s can be read by others: chmod 600 it", tokenFile)
	}
	data, err := os.ReadFile(tokenFile)
	if err != nil {
		return nil, fmt.Errorf("read token file: %w", err)
	}
	if u.tokens, err = parseTokens(data); err != nil {
		return nil, fmt.Errorf("token file %s: %w", tokenFile, err)
	}
	return u, nil
}

// parseTokens reads lines user:token; empty ones and those that begin with # say nothing.
func parseTokens(data []byte) ([]credential, error) {
	var tokens []credential
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, token, ok := strings.Cut(line, ":")
		switch {
		case !ok || name == "" || strings.ContainsAny(name, " \t"):
			return nil, fmt.Errorf("line %d: want user:token", n)
		case len(token) < 16:
			return nil, fmt.Errorf("line %d: the token of %s is shorter than 16 characters", n, name)
		case len(tokens) == maxTokens:
			return nil, fmt.Errorf("line %d: more than %d tokens", n, maxTokens)
		}
		tokens = append(tokens, credential{name, sha256.Sum256([]byte(token))})
	}
	return tokens, lines.Err()
}

// actor is who sent a request.
func (u *directory) actor(r *http.Request) (queue.Actor, bool) {
	if uid, ok := r.Context().Value(peerKey{}).(uint32); ok {
		return u.named(u.name(uid)), true
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return queue.Actor{}, false
	}
	hash := sha256.Sum256([]byte(token))
	found := ""
	for _, c := range u.tokens { // all of them, so that the time tells nothing
		if subtle.ConstantTimeCompare(c.hash[:], hash[:]) == 1 {
			found = c.user
		}
	}
	return u.named(found), found != ""
}

func (u *directory) named(user string) queue.Actor {
	return queue.Actor{User: user, Admin: slices.Contains(u.admins(), user)}
}

func (u *directory) name(uid uint32) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	name, ok := u.names[uid]
	if !ok {
		name = userName(int(uid))
		u.names[uid] = name
	}
	return name
}

type peerKey struct{}

// withPeer remembers the user id at the other end of a unix socket.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	if limited, ok := c.(*countedConn); ok {
		c = limited.Conn
	}
	uid, err := peerUID(c)
	if err != nil {
		return ctx // nobody in particular: refused by guard
	}
	return context.WithValue(ctx, peerKey{}, uid)
}

func peerUID(c net.Conn) (uint32, error) {
	socket, ok := c.(*net.UnixConn)
	if !ok {
		return 0, errors.New("not a unix socket")
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0, err
	}
	var peer *unix.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) { peer, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err := errors.Join(err, failed); err != nil {
		return 0, err
	}
	return peer.Uid, nil
}
